/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which AI service is this host and path, which AI tool is this process: look-ups in tables that
 * the build compiles from policies/catalog.yaml. PURE; no allocation after catalog_new.
 *
 * Match order for hosts (catalog-notes §2): exact > glob without leading "*." > "*.suffix";
 * among equals the longest literal part wins; a tie between services is decided by path.
 */
#ifndef PROBITY_CLASSIFY_CATALOG_H
#define PROBITY_CLASSIFY_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct catalog; /* compiled argv and user-agent patterns; the tables themselves are static */
struct catalog *catalog_new(void); /* NULL: out of memory or a broken pattern (build defect) */
void catalog_free(struct catalog *c);
const char *
catalog_version(void); /* meta.compiled and the first 12 hex digits of the file's SHA-256 */

/* Texts are static, never NULL ("" = unknown). */
struct catalog_service {
	const char *id;	      /* "openai"; "unknown" for an unknown host speaking a known dialect */
	const char *name;     /* "OpenAI API" */
	const char *vendor;   /* "OpenAI" */
	const char *provider; /* OpenTelemetry gen_ai.provider.name, or the id */
	const char *kind;     /* llm_api, local_runtime, … */
	const char *hq;	      /* ISO 3166-1 alpha-2 */
	const char *role;     /* of the host: api, web, auth, cdn, … */
	const char *evidence; /* dedicated, vendor, shared */
	const char *operation;	    /* own enum of the catalog: chat, embeddings, … */
	const char *otel_operation; /* gen_ai.operation.name or "" */
	const char *dialect;	    /* catalog key the path implies, or "" */
	bool known;		    /* the host (or a local runtime's port) is in the catalog */
	bool ai; /* a call: role api/web/realtime, and not shared evidence without a
				   matching path */
};

/*
 * host: lower case, no port; sni may be "". dialect: name found on the wire or "".
 * Loopback or an unknown host with a known dialect gives id "unknown" (or the local runtime whose
 * port and dialect match), known accordingly. Returns true if anything AI was recognised.
 */
bool catalog_service(const struct catalog *c, const char *host, uint16_t port, const char *method,
		     const char *path, const char *dialect, struct catalog_service *ret);
/* Only by host: what SNI alone tells. */
bool catalog_host(const struct catalog *c, const char *host, struct catalog_service *ret);
/* All host patterns ("api.openai.com", "*.x.com") of the services a glob names ("openai", "*") with evidence "dedicated" or
 * "vendor" and a role that carries calls; for in-kernel rules. Returns how many were given. */
size_t catalog_service_hosts(const struct catalog *c, const char *service,
			     void (*each)(void *ctx, const char *pattern), void *ctx);
/* Those with evidence "shared": other traffic uses them too, so the name alone says nothing. */
size_t catalog_shared_hosts(const struct catalog *c, const char *service,
			    void (*each)(void *ctx, const char *pattern), void *ctx);

/* One process: its own view first, then its ancestors, nearest first. */
struct catalog_process {
	const char *exe; /* resolved path */
	const char *comm;
	const char *argv; /* NUL-separated */
	size_t argv_len;
};
struct catalog_tool {
	const char *id; /* "claude_code"; "" = none */
	const char *name, *vendor, *kind;
	const char *via; /* "exe", "argv", "package", "ancestor" */
	unsigned depth;	 /* 0 = the process itself, 1 = parent … */
};
/* Never by comm alone and never by User-Agent: both are chosen by the client. Generic names
 * (catalog comm_note, notes §8) need a second signal. */
bool catalog_tool(const struct catalog *c, const struct catalog_process *p, size_t n,
		  struct catalog_tool *ret);

/* "claude-3-5-sonnet-…" → "Anthropic"; "" if unknown. */
const char *catalog_model_vendor(const char *model);

#endif
