/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/2 inside a flow: frames of both directions in, exchanges out. flow.c orders the chunks and
 * holds answers that came too early, as for HTTP/1.
 */
#ifndef PROBITY_FLOW_H2_H
#define PROBITY_FLOW_H2_H

#include "flow_impl.h"
#include "hpack.h"

#define H2_PREFACE_LEN 24
#define H2_BLOCK_MAX (64 * 1024) /* bytes of one header block; of a longer one this much is read */
#define H2_STREAMS_MAX 256	 /* of interest and open at once; more are reported as truncated */

enum h2_type {
	H2_DATA = 0,
	H2_HEADERS,
	H2_PRIORITY,
	H2_RST_STREAM,
	H2_SETTINGS,
	H2_PUSH_PROMISE,
	H2_PING,
	H2_GOAWAY,
	H2_WINDOW_UPDATE,
	H2_CONTINUATION,
	H2_ALTSVC,
	H2_ORIGIN = 0x0c,
	H2_PRIORITY_UPDATE = 0x10,
};

enum {
	H2_END_STREAM = 0x01,
	H2_ACK = 0x01,
	H2_END_HEADERS = 0x04,
	H2_PADDED = 0x08,
	H2_HAS_PRIORITY = 0x20,
};

struct h2_frame {
	uint32_t length, stream;
	uint8_t type, flags;
};

enum h2_phase { H2_IN_PREFACE, H2_IN_HEAD, H2_IN_PAYLOAD, H2_SEEKING };

/* A header block, frame by frame. */
struct h2_block {
	uint8_t *p; /* NULL: none is open, or it lies whole in the chunk */
	size_t n, cap;
	size_t fragment; /* where the fragment of the frame in progress begins in p */
	struct h2_frame first;
	uint64_t offset, ns; /* of the first frame */
	bool open, lost;     /* lost: the rest of it cannot be read, for this reason: */
	struct pair_flaw flaw;
};

struct h2_side {
	enum h2_phase phase;
	struct h2_window win; /* a frame's head so far; while seeking, the last bytes */
	uint8_t preface_n;
	struct h2_frame frame;
	uint64_t offset, ns;	 /* of the frame's first byte */
	uint32_t left;		 /* bytes of its payload to come */
	uint32_t pad;		 /* of them padding */
	bool pad_unread;	 /* and how much is in the next byte */
	bool orphan;		 /* a CONTINUATION may come whose beginning was not seen */
	uint8_t code[8], code_n; /* first bytes of RST_STREAM and GOAWAY */
	struct h2_block block;
	struct hpack *hpack;
	struct pair_flaw unknown; /* why header fields may not be known */
};

struct h2_stream {
	uint32_t id;
	bool gapped[2]; /* its end in this direction may have been missed */
	struct exchange *x;
};

struct h2 {
	struct h2_side side[2];
	struct h2_stream *streams; /* open and of interest, by id */
	unsigned count, cap;
	uint32_t last;	    /* highest stream of a request that was seen */
	uint32_t waits_for; /* an answer's stream of which no request was seen yet */
	uint32_t given_up;  /* highest stream whose answer was read before its request */
	bool unpaired;	    /* requests may have been missed since the last one */
};

/* --- h2.c: frames. What flow.c calls. -------------------------------------------------------- */

/*
 * The flow's bytes are HTTP/2 from here on. late: both sides are joined in their middle. Otherwise
 * the request side has had preface_n bytes of the preface and the answers are at their beginning.
 * -ENOMEM: the flow is ignored.
 */
int h2_begin(struct flow *f, bool late, unsigned preface_n);
/* After an HTTP/1 answer that switches: x, whose request is over, is stream 1. */
void h2_upgraded(struct flow *f, struct exchange *x);
void h2_free(struct h2 *h); /* NULL is fine; tells nothing */
/* As message_head: gives how many bytes it took, 0 only when something else has changed. */
size_t h2_step(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n, uint64_t ns);
void h2_gap(struct flow *f, enum flow_dir dir, uint64_t n, uint64_t ns);
bool h2_must_hold(const struct flow *f);
/* The connection begins anew: a preface was seen. */
void h2_restart(struct flow *f, uint64_t ns);
bool h2_busy(const struct h2 *h);
void h2_close(struct flow *f, uint64_t ns);

/* --- h2_seek.c: what a frame looks like among other bytes. ----------------------------------- */

extern const uint8_t h2_preface[H2_PREFACE_LEN];

struct h2_frame h2_frame_of(const uint8_t head[H2_FRAME_HEAD]);
/* It breaks no rule of RFC 9113 that does not depend on what came before. */
bool h2_frame_legal(const struct h2_frame *fr);
/*
 * Looks for a frame's head (or, in requests, the preface) in the bytes to come; w has the last
 * ones before p. True: w is it and *ret_used the bytes taken from p.
 */
bool h2_seek(struct h2_window *w, enum flow_dir dir, uint32_t stream_max, const uint8_t *p,
	     size_t n, size_t *ret_used);
/* A server's first bytes, perhaps. */
bool h2_is_greeting(const uint8_t *p, size_t n);
/* A late flow that has not shown what it is: begins HTTP/2 when this chunk has it. Gives how many
 * bytes of the chunk were taken. */
size_t h2_detect(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n);

/* --- h2_block.c: header blocks. ---------------------------------------------------------------- */

/* Why a field may not be known after some were missed. */
extern const struct pair_flaw h2_flaw_unknown;

void h2_block_begin(struct h2_side *s); /* one of its frames */
/* The frame's payload, when the chunk has all of the block. False: it has not. */
bool h2_block_in_place(struct flow *f, enum flow_dir dir, const uint8_t *p, uint64_t ns);
void h2_block_bytes(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n);
/* The frame's payload is over. False: the framing is broken. */
bool h2_block_frame_over(struct flow *f, enum flow_dir dir, uint64_t ns);
/* The rest of it will not be read. */
void h2_block_lose(struct h2_block *b, const struct pair_flaw *flaw);
/* p[0..n) is what there is of it. */
void h2_block_over(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n, uint64_t ns);
void h2_block_free(struct h2_side *s);

/* --- h2_head.c: fields as the head of a message. --------------------------------------------- */

struct h2_head {
	struct http1_head h;
	bool pseudo; /* has fields that trailers cannot have */
	bool websocket;
	size_t used;
	char text[4096]; /* what h points to */
};
void h2_head_init(struct h2_head *h, uint32_t stream);
void h2_head_field(void *ctx, const char *name, size_t name_n, const char *value, size_t value_n);

/* --- h2_stream.c: which exchange a frame is for. --------------------------------------------- */

struct h2_message {
	struct h2_head *head;
	uint32_t stream;
	uint64_t offset, ns;
	bool end;		      /* nothing follows */
	const struct pair_flaw *flaw; /* the head is not whole */
};
void h2_on_head(struct flow *f, enum flow_dir dir, const struct h2_message *m, uint64_t ns);
void h2_on_data(struct flow *f, enum flow_dir dir, uint32_t stream, const uint8_t *p, size_t n,
		uint64_t ns);
void h2_on_end(struct flow *f, enum flow_dir dir, uint32_t stream, uint64_t ns);
void h2_on_reset(struct flow *f, uint32_t stream, uint64_t ns);
/* The server will not answer streams above last. */
void h2_on_goaway(struct flow *f, uint32_t last, uint64_t ns);
/* n bytes of a stream's content are missing; 0: an unknown number, perhaps its end too. */
void h2_on_gap(struct flow *f, enum flow_dir dir, uint32_t stream, uint64_t n);
/* As above, of any stream. */
void h2_all_gapped(struct flow *f, enum flow_dir dir, const struct pair_flaw *flaw);
void h2_all_over(struct flow *f, const char *reason, uint64_t ns);

#endif
