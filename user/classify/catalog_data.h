/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables that gen_catalog prints and catalog.c reads. All texts are offsets into one pool, so
 * the tables need no relocation and stay shared, read-only pages. Offset 0 is the empty text.
 */
#ifndef PROBITY_CLASSIFY_CATALOG_DATA_H
#define PROBITY_CLASSIFY_CATALOG_DATA_H

#include <stdint.h>

struct cat_service {
	uint16_t id, name, vendor, kind, hq;
	uint16_t op_first, op_count;
};

/* Rank of a host pattern: lower wins. */
enum cat_host_class { CAT_EXACT, CAT_GLOB, CAT_SUFFIX };
enum cat_host_flag {
	CAT_CALL = 1,	/* the role carries calls: api, web, realtime */
	CAT_SHARED = 2, /* other traffic uses the host too */
	CAT_MORE = 4,	/* the next row has the same key */
};
/*
 * Sorted by key, then rank. The key is the part of the pattern after its last '*' and the first
 * dot behind that: the longest text that ends every matching host and begins at a label.
 */
struct cat_host {
	uint16_t pattern, service, role, evidence;
	uint8_t key_len, literal, class, flags;
};

enum cat_method { CAT_GET, CAT_POST, CAT_PUT, CAT_DELETE, CAT_WS };
enum cat_op_flag {
	CAT_ANY_PREFIX = 1, /* the template began with "..." */
	CAT_ANY_SUFFIX = 2, /* the template ended with a segment "*" */
	CAT_VERSIONED = 4,  /* the first segment is a version such as "v1" */
	CAT_LAST_WILD = 8,  /* the last segment holds a wildcard */
	CAT_WEAK = 16,	    /* "/health" and the like: says nothing about an unknown host */
};
/* Template: segments of literals and '*' (one or more bytes of one segment). */
struct cat_op {
	uint16_t path, operation, otel, dialect;
	uint8_t method, flags, segments, last; /* last: offset of the last segment */
	uint8_t literal;
};

/* Operations of one dialect whoever serves it: for hosts the catalog does not know. */
struct cat_dialect {
	uint16_t name, operation, otel; /* operation: when no path fits */
	uint16_t op_first, op_count;
};
struct cat_port {
	uint16_t port, service;
};

enum cat_tool_flag { CAT_TOOL_LIBRARY = 1 }; /* sdk or browser extension: never a process */
struct cat_tool {
	uint16_t id, name, vendor, kind;
	uint8_t flags;
};
enum cat_text_flag { CAT_GENERIC = 1 }; /* needs a second signal */
struct cat_text {
	uint16_t text;
	uint8_t tool, flags;
};

extern const char catalog_pool[];
extern const char catalog_version_text[];
extern const struct cat_service catalog_services[];
extern const struct cat_host catalog_hosts[];
extern const struct cat_op catalog_ops[];
extern const struct cat_op catalog_dialect_ops[];
extern const struct cat_dialect catalog_dialects[];
extern const struct cat_port catalog_ports[];
extern const struct cat_tool catalog_tools[];
/* exe, npm and pypi are sorted by text. */
extern const struct cat_text catalog_exes[], catalog_npm[], catalog_pypi[];
extern const struct cat_text catalog_exe_paths[], catalog_argv[];
extern const uint16_t catalog_services_n, catalog_hosts_n, catalog_dialects_n, catalog_ports_n,
	catalog_exes_n, catalog_npm_n, catalog_pypi_n, catalog_exe_paths_n, catalog_argv_n;

/* Open hash over host keys: slot = index of the key's first row + 1, 0 = free. */
#define CAT_HASH_SLOTS 2048
extern const uint16_t catalog_host_slots[CAT_HASH_SLOTS];

/* FNV-1a from the last byte to the first, so that one pass over a host hashes all its suffixes. */
#define CAT_HASH_INIT 2166136261u
static inline uint32_t cat_hash_step(uint32_t h, char c)
{
	return (h ^ (uint8_t)c) * 16777619u;
}
static inline uint32_t cat_hash_slot(uint32_t h)
{
	return (h ^ h >> 15) & (CAT_HASH_SLOTS - 1);
}

#endif
