// SPDX-License-Identifier: Apache-2.0
/*
 * PURE. Flows in: what probes are. Flows out: a name, and back. Seven numbers in hexadecimal with '_'
 * between, because a bpffs takes no dots. Names come from a folder that only root writes; one that does
 * not read as a name is nobody's. Process by pid and start, file by device, inode, size and time of
 * change, sites by a digest: whatever differs is another probe.
 */
#include "pinned.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define TICK_NS ((uint64_t)10000000) /* the start of a process is known to that */

uint64_t pinned_sites(const char *program, uint64_t size, uint64_t mtime_ns, const uint64_t *offset,
		      const uint64_t *cookie, size_t n)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint64_t v = 0;

	if (ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
	    EVP_DigestUpdate(ctx, program, strlen(program) + 1) == 1 &&
	    EVP_DigestUpdate(ctx, &size, sizeof(size)) == 1 &&
	    EVP_DigestUpdate(ctx, &mtime_ns, sizeof(mtime_ns)) == 1 &&
	    EVP_DigestUpdate(ctx, offset, n * sizeof(*offset)) == 1 &&
	    EVP_DigestUpdate(ctx, cookie, n * sizeof(*cookie)) == 1 &&
	    EVP_DigestFinal_ex(ctx, digest, NULL) == 1)
		memcpy(&v, digest, sizeof(v));
	EVP_MD_CTX_free(ctx);
	return v;
}

int pinned_begins(char *to, size_t cap, const struct pinned_id *id)
{
	int n = snprintf(to, cap, "%x_%" PRIx64 "_%" PRIx64 "_%" PRIx64 "_%" PRIx64 "_", id->pid,
			 id->start_ns / TICK_NS, id->dev, id->ino, id->sites);

	return n < 0 || (size_t)n >= cap ? -ENAMETOOLONG : 0;
}

int pinned_name(char *to, size_t cap, const struct pinned_id *id, const struct pinned_as *as)
{
	int r = pinned_begins(to, cap, id), n;
	size_t at = r ? 0 : strlen(to);

	if (r)
		return r;
	n = snprintf(to + at, cap - at, "%x_%" PRIx64, as->index, as->since_ns);
	return n < 0 || (size_t)n >= cap - at ? -ENAMETOOLONG : 0;
}

int pinned_read(const char *name, struct pinned_as *ret)
{
	uint64_t since;
	unsigned index;

	for (int i = 0; i < 5; i++) {
		name = strchr(name, '_');
		if (!name++)
			return -EBADMSG;
	}
	if (sscanf(name, "%x_%" SCNx64, &index, &since) != 2 || index > UINT16_MAX)
		return -EBADMSG;
	*ret = (struct pinned_as){.index = index, .since_ns = since};
	return 0;
}
