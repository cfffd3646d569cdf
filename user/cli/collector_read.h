/* SPDX-License-Identifier: Apache-2.0 */
/* Chains and records from a collector, over mutual TLS, into memory and a folder of segments. */
#ifndef PROBITY_CLI_COLLECTOR_READ_H
#define PROBITY_CLI_COLLECTOR_READ_H

#include <jansson.h>
#include <stdint.h>

#include "collector_hole.h"

struct collector_read;
/* url: https://HOST:PORT. Only `ca` is trusted; cert and key are an operator's. err: one line. */
int collector_read_open(const char *url, const char *ca, const char *cert, const char *key,
			struct collector_read **ret, char *err, size_t err_len);
void collector_read_free(struct collector_read *c);
/* The array "chains" of its answer, untrusted. 0 or -errno with one line in err. */
int collector_read_chains(struct collector_read *c, json_t **ret, char *err, size_t err_len);

/* The time stamp it has for one of a chain's cosigned checkpoints, untrusted; *ret NULL: none. */
int collector_read_stamp(struct collector_read *c, const char *chain_hex, json_t **ret, char *err,
			 size_t err_len);

/* Records that follow each other, in a folder of their own. hole: before them; NULL: there is none, or it
 * gave nothing for it. loss_key: of the epoch of the hole's LOSS record, as the SEALs say; without one it is
 * the first epoch's. */
#define COLLECTOR_PIECES_MAX 1024
struct collector_piece {
	uint64_t first, next;
	char dir[64];
	struct collector_hole *hole;
	bool loss_keyed;
	uint8_t loss_key[RECORD_PUBKEY_LEN];
};
struct collector_pieces {
	struct collector_piece *p; /* dirs and list: collector_pieces_free removes them */
	size_t n;
};
/* Every record it gives of a chain, as it gives it: frames are looked at only for their length, checksum
 * and sequence number. progress may be NULL. */
int collector_read_records(struct collector_read *c, const char *chain_hex,
			   struct collector_pieces *ret,
			   void (*progress)(void *ctx, uint64_t records), void *ctx, char *err,
			   size_t err_len);
void collector_pieces_free(struct collector_pieces *p);

#endif
