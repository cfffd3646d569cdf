/* SPDX-License-Identifier: Apache-2.0 */
/* One turn: what the client asked in one or more messages, and what came back. */
#ifndef PROBITY_FLOW_WS_TURN_H
#define PROBITY_FLOW_WS_TURN_H

#include <openssl/evp.h>

#include "extract.h"
#include "flow.h"
#include "ws_reader.h"

struct ws_turn {
	const struct flow_ops *ops;
	void *ctx;
	enum flow_interest interest;
	struct interaction it;
	struct extract *extract;
	EVP_MD_CTX *md[2];
	bool doc[2]; /* one is open */
	bool asked, created, ending;
	char lane[64], response_id[64];
};

/* Asks ops->head. NULL: out of memory, or of no interest. */
struct ws_turn *ws_turn_new(const struct flow_ops *ops, void *ctx, const struct interaction *it);
void ws_turn_free(struct ws_turn *t); /* tells nothing */
/* The dialect is beyond doubt: a MAYBE is a YES from here on. */
void ws_turn_speaks(struct ws_turn *t, enum dialect d);
void ws_turn_flaw(struct ws_turn *t, const struct ws_flaw *flaw);
void ws_turn_doc(struct ws_turn *t, enum flow_dir dir);
void ws_turn_wire(struct ws_turn *t, enum flow_dir dir, uint64_t n);
struct ws_bytes {
	const uint8_t *p;
	size_t n;
	const struct flow_masked *at; /* NULL: they do not stand in the stream like this */
	bool text;		      /* for people to read, so that data classes are looked for */
};
void ws_turn_data(struct ws_turn *t, enum flow_dir dir, const struct ws_bytes *b, uint64_t ns);
void ws_turn_doc_end(struct ws_turn *t, enum flow_dir dir, bool cut);
void ws_turn_ask(struct ws_turn *t, uint64_t ns);
/* Tells done or dropped, and frees. */
void ws_turn_finish(struct ws_turn *t, uint64_t ns);

#endif
