// SPDX-License-Identifier: Apache-2.0
/*
 * In: the spool's signed checkpoints, and what the collector says as a witness of them. Out: checkpoints
 * with the proof from the last one it cosigned, and the cosigned ones, checked and kept beside the
 * segments: who has `witnessed` and the collector's key need not trust this host.
 *
 * A checkpoint is submitted when the collector has confirmed every record of it. One waits at a time: a
 * newer one does not take its place, or in a long drain none would ever be covered. What is kept is the
 * text that was sent, cosigned by the key that was configured or, without one, by the first key the
 * collector named; anything else is a finding, in the log and in the status, until the agent restarts.
 *
 * A collector that says less than it said before was set back, or is another one. Its word is followed,
 * since what it lacks must reach it again, but told: in the status, and as a COLLECTOR record, at most one
 * each TOLD_MS, so that a collector that goes up and down cannot fill the chain; the count says the rest.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "forward_int.h"
#include "spool_proof.h"

#define TOLD_MS 60000
#define FAULT(x) PROBITY__V1__ACK__FAULT__##x

DEFINE_CLEANUP(struct tile_reader, tile_reader_free)

void forward_finding(struct forward *f, const char *fmt, ...)
{
	char text[sizeof(f->st.finding)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	f->st.findings++;
	if (strcmp(text, f->st.finding))
		log_err("collector %s: %s", f->st.target, text);
	snprintf(f->st.finding, sizeof(f->st.finding), "%s", text);
}

/* --- whose word counts ----------------------------------------------------------------------------- */

static int key_at_start(struct forward *f, char *err, size_t err_len)
{
	_cleanup_free_ char *text = NULL;
	const char *vkey = f->c.witness_vkey;
	size_t n;

	if (vkey && *vkey) {
		if (note_vkey_parse_of(vkey, strlen(vkey), NOTE_COSIGNATURE, &f->witness)) {
			snprintf(err, err_len, "witness key %.60s: not the vkey of a cosigner",
				 vkey);
			return -EINVAL;
		}
		f->st.witness = WITNESS_CONFIGURED;
		return 0;
	}
	if (spool_text_read(f->c.spool, "witness", &text, &n))
		return 0;
	if (note_vkey_parse_of(text, n, NOTE_COSIGNATURE, &f->witness))
		log_warn("spool: witness: not a vkey; the next key the collector names is kept");
	else
		f->st.witness = WITNESS_FIRST_USE;
	return 0;
}

static bool of_this_chain(const struct forward *f, const char *origin)
{
	const uint8_t *chain = spool_state(f->c.spool)->chain;
	const char *last = strrchr(origin, '/');
	char hex[33];

	for (int i = 0; i < 16; i++)
		snprintf(hex + 2 * i, 3, "%02x", chain[i]);
	return last && !strcmp(last + 1, hex);
}

/* What an earlier run got: from there on less is too little. */
static void kept_at_start(struct forward *f)
{
	_cleanup_free_ char *text = NULL;
	struct checkpoint c;
	const char *why = "";
	struct note note;
	uint64_t at = 0;
	size_t n;

	if (spool_text_read(f->c.spool, "witnessed", &text, &n))
		return;
	if (note_parse(text, n, &note, &why) ||
	    checkpoint_parse(note.text, note.text_n, &c, &why)) {
		forward_finding(f, "spool/witnessed is no checkpoint: %s", why);
		return;
	}
	if (!of_this_chain(f, c.origin))
		return;
	if (f->st.witness && cosignature_verify(&note, &f->witness, &at)) {
		forward_finding(f, "spool/witnessed is not cosigned by the witness's key");
		return;
	}
	f->st.witnessed = f->said_witnessed = c.size;
	f->st.witnessed_s = at;
}

int forward_witness_open(struct forward *f, char *err, size_t err_len)
{
	int r = key_at_start(f, err, err_len);

	if (!r)
		kept_at_start(f);
	f->cp.seen = UINT64_MAX; /* there may be one of an earlier run */
	return r;
}

/* --- what the spool has signed --------------------------------------------------------------------- */

void forward_checkpoint_drop(struct forward *f)
{
	free(f->cp.note);
	f->cp.note = NULL;
}

void forward_checkpoint_look(struct forward *f)
{
	const struct spool_state *s = spool_state(f->c.spool);
	struct checkpoint c;
	struct note note;
	const char *why;
	size_t n;

	/* Of an earlier run, or cosigned although the answer was lost. */
	if (f->cp.note && !f->cp.sent && f->asked && f->cp.size <= f->said_witnessed) {
		f->cp.done = f->cp.size;
		forward_checkpoint_drop(f);
	}
	if (f->cp.note || s->checkpoint == f->cp.seen)
		return;
	f->cp.seen = s->checkpoint;
	if (spool_text_read(f->c.spool, "checkpoint", &f->cp.note, &n))
		return;
	if (note_parse(f->cp.note, n, &note, &why) ||
	    checkpoint_parse(note.text, note.text_n, &c, &why) || !of_this_chain(f, c.origin) ||
	    c.size > s->durable_seq || c.size <= f->cp.done) {
		forward_checkpoint_drop(f);
		return;
	}
	f->cp.n = n;
	f->cp.text_n = note.text_n;
	f->cp.size = c.size;
}

bool forward_checkpoint_due(const struct forward *f)
{
	return f->cp.note && f->asked && f->confirmed && f->cp.size <= f->st.acked_seq + 1 &&
	       f->cp.size > f->said_witnessed;
}

void forward_checkpoint_attach(struct forward *f, Probity__V1__Batch *b)
{
	_cleanup_(tile_reader_freep) struct tile_reader *tiles = NULL;
	size_t n;
	int r;

	f->cp.sent = false;
	if (!forward_checkpoint_due(f))
		return;
	r = spool_tree_open(f->c.spool, &tiles);
	if (!r)
		r = tree_consistency(f->said_witnessed, f->cp.size, tile_reader_hash, tiles,
				     f->cp.path, &n);
	if (r) {
		forward_finding(f, "no proof for a checkpoint: the spool's tiles: %s",
				strerror(-r));
		f->cp.done = f->cp.size;
		forward_checkpoint_drop(f);
		return;
	}
	for (size_t i = 0; i < n; i++)
		f->cp.proof[i] = (ProtobufCBinaryData){TREE_HASH_LEN, f->cp.path[i].b};
	b->witnessed_size = f->said_witnessed;
	b->consistency = f->cp.proof;
	b->n_consistency = n;
	b->checkpoint = f->cp.note;
	f->cp.sent = true;
}

/* --- what the witness says ------------------------------------------------------------------------- */

static void less(struct forward *f, const char *cause, const char *what, uint64_t before,
		 uint64_t now)
{
	uint64_t ms = forward_now_ms();
	char reason[160];

	snprintf(reason, sizeof(reason),
		 "the collector %s %" PRIu64 " records, before it was %" PRIu64
		 ": it was set back, or is another one",
		 what, now, before);
	f->st.set_back++;
	forward_finding(f, "%s", reason);
	if (!f->c.set_back || (f->told_ms && ms - f->told_ms < TOLD_MS))
		return;
	f->told_ms = ms;
	if (f->c.set_back(f->c.ctx, cause, reason, now, before - 1))
		log_err("collector %s: that it was set back could not be recorded", f->st.target);
}

void forward_said(struct forward *f, const Probity__V1__Ack *a)
{
	uint64_t end = a->empty ? 0 : a->last_seq + (a->last_seq < UINT64_MAX);

	if (end < f->said_end)
		less(f, "holds_less", "holds", f->said_end, end);
	f->said_end = end;
	if (a->fault == FAULT(GAP))
		return; /* it says where it is, no more */
	if (a->witnessed_size < f->said_witnessed)
		less(f, "cosigned_less", "has cosigned", f->said_witnessed, a->witnessed_size);
	f->said_witnessed = a->witnessed_size;
	/* The file may be for another: K_0 goes when somebody who confirms records has it. */
	if (a->seed_held && !f->st.seed_held)
		f->st.seed_held = epochs_seed_taken(f->c.epochs) == 0;
	else if (!a->seed_held && f->st.seed_held && end) {
		f->st.seed_held = false;
		forward_finding(f, "the collector no longer holds this chain's MAC seed, and the "
				   "host has forgotten it: MACs cannot be checked there");
	}
}

/* Without a key that was configured the first one named is kept. */
static bool key_known(struct forward *f, const Probity__V1__Ack *a)
{
	struct note_key k;

	if (f->st.witness)
		return true;
	if (note_vkey_parse_of(a->witness_vkey, strlen(a->witness_vkey), NOTE_COSIGNATURE, &k)) {
		forward_finding(f, "it cosigns and does not name its key; give --witness-vkey");
		return false;
	}
	if (spool_text_write(f->c.spool, "witness", a->witness_vkey, strlen(a->witness_vkey), true))
		log_warn("spool: witness: cannot be written; the key is known until the restart");
	log_info("collector %s: cosigns as %s; trusted on first use", f->st.target, k.name);
	f->witness = k;
	f->st.witness = WITNESS_FIRST_USE;
	return true;
}

static void cosigned(struct forward *f, const Probity__V1__Ack *a)
{
	size_t n = strlen(a->cosigned);
	const char *why;
	struct note note;
	uint64_t at;
	int r;

	if (note_parse(a->cosigned, n, &note, &why) || note.text_n != f->cp.text_n ||
	    memcmp(note.text, f->cp.note, f->cp.text_n)) {
		forward_finding(f,
				"it cosigned another checkpoint than the one of %" PRIu64
				" records it was sent",
				f->cp.size);
		return;
	}
	if (!key_known(f, a))
		return;
	r = cosignature_verify(&note, &f->witness, &at);
	if (r) {
		forward_finding(f,
				"the checkpoint of %" PRIu64 " records is not cosigned by %s: %s",
				f->cp.size, f->witness.name,
				r == -ENOKEY ? "another key" : "wrong signature");
		return;
	}
	r = spool_text_write(f->c.spool, "witnessed", a->cosigned, n, false);
	if (r)
		log_warn("spool: witnessed: %s", strerror(-r));
	f->st.witnessed = f->cp.size;
	f->st.witnessed_s = at;
}

void forward_checkpoint_answer(struct forward *f, const Probity__V1__Ack *a)
{
	char said[160];

	if (!f->cp.sent)
		return;
	f->cp.sent = false;
	if (a->fault == FAULT(CHECKPOINT)) {
		forward_words(a->error, said, sizeof(said));
		f->st.checkpoints_refused++;
		forward_finding(f, "it refuses the checkpoint of %" PRIu64 " records: %s",
				f->cp.size, said);
	} else if (*a->cosigned) {
		cosigned(f, a);
	}
	f->cp.done = f->cp.size; /* whatever it said: the next one is a newer one */
	forward_checkpoint_drop(f);
}
