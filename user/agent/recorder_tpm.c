// SPDX-License-Identifier: Apache-2.0
/*
 * The recorder's checkpoints. In: what is durable. Out: the file `checkpoint`, signed by the epoch's key
 * and, with --tpm, by the TPM's as well.
 *
 * A checkpoint that waits for the TPM's line waits here, in memory, and nothing else does: records are
 * sealed and made durable meanwhile. Behind TPM_ANSWER_MS it is written without the line. That is counted
 * by cause, said in the status, and sealed as a TPM record when it begins and when it is over, at most one
 * each TOLD_MS; whoever verifies demands the line all the same, since a thief could seal that record too.
 */
#include "recorder_int.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

#define TOLD_MS 60000
#define END_STEP_MS 20

int recorder_tpm_open(struct recorder *r, char *err, size_t err_len)
{
	const struct recorder_config *c = r->cfg;
	char keys[4000];
	const struct tpm_config t = {
		.tcti = c->tpm,
		.handle = c->tpm_handle,
		.key_dir = keys,
		.user = c->user,
		.no_seccomp = c->no_seccomp,
	};

	if (!c->tpm)
		return 0;
	if (snprintf(keys, sizeof(keys), "%s/keys", c->state_dir) >= (int)sizeof(keys)) {
		snprintf(err, err_len, "state directory: name too long");
		return -ENAMETOOLONG;
	}
	return tpm_open(&t, &r->tpm.t, err, err_len);
}

static uint64_t missing(const struct recorder *r)
{
	const struct tpm_counts *n = tpm_counts(r->tpm.t);
	uint64_t sum = 0;

	for (size_t i = 0; i < TPM_CAUSES; i++)
		sum += n->missing[i];
	return sum;
}

static int tell(struct recorder *r)
{
	enum tpm_cause cause = TPM_OPEN;
	const char *why = tpm_trouble(r->tpm.t, &cause);
	uint64_t sum = missing(r);
	uint8_t note[NOTE_BYTES_MAX];
	int e = recorder_note(r, note,
			      note_tpm(tpm_public(r->tpm.t), why ? tpm_causes[cause] : "",
				       why ?: "the TPM signs checkpoints", sum - r->tpm.told,
				       note));

	if (e)
		return e;
	r->tpm.failing = why;
	r->tpm.told = sum;
	r->tpm.told_ms = recorder_now_ms();
	return 0;
}

int recorder_tpm_begin(struct recorder *r)
{
	return r->tpm.t ? tell(r) : 0;
}

/* Whether the state has changed, and is to be sealed. */
static void changed(struct recorder *r)
{
	bool failing = tpm_trouble(r->tpm.t, NULL);

	if (failing == r->tpm.failing || r->stalled ||
	    recorder_now_ms() < r->tpm.told_ms + (r->tpm.told ? TOLD_MS : 0))
		return;
	if (failing)
		log_err("TPM: %s; checkpoints go without its signature",
			tpm_trouble(r->tpm.t, NULL));
	else
		log_info("TPM: signs checkpoints again");
	if (!recorder_step(r))
		tell(r); /* durable with the next group */
}

static void put(struct recorder *r)
{
	int e = spool_checkpoint_put(r->spool, r->tpm.note, r->tpm.n, r->tpm.size);

	r->tpm.n = 0;
	if (e)
		log_warn("spool %s/spool: checkpoint: %s; tried again", r->cfg->state_dir,
			 strerror(-e));
}

static void name_of(const struct recorder *r, char ret[static NOTE_NAME_MAX])
{
	snprintf(ret, NOTE_NAME_MAX, "%.*s", (int)strcspn(r->tpm.note, "\n"), r->tpm.note);
}

void recorder_tpm_step(struct recorder *r)
{
	char name[NOTE_NAME_MAX] = "";
	size_t n = 0;
	int e;

	if (!r->tpm.t)
		return;
	name_of(r, name);
	e = tpm_answer(r->tpm.t, name, recorder_now_ms(), r->tpm.note + r->tpm.n,
		       sizeof(r->tpm.note) - r->tpm.n, &n);
	if (e == -EAGAIN || !r->tpm.n)
		return;
	r->tpm.n += n;
	put(r);
	changed(r);
}

void recorder_checkpoint(struct recorder *r)
{
	size_t text = 0;
	int e;

	r->checkpoint_ms = recorder_now_ms();
	if (r->stalled || r->tpm.n)
		return;
	e = spool_checkpoint_make(r->spool, r->tpm.note, sizeof(r->tpm.note), &r->tpm.n, &text,
				  &r->tpm.size);
	if (e && e != -EAGAIN)
		log_warn("spool %s/spool: checkpoint: %s; tried again", r->cfg->state_dir,
			 strerror(-e));
	if (e || !r->tpm.n)
		return;
	if (r->tpm.t && tpm_ask(r->tpm.t, r->tpm.note, text, r->checkpoint_ms))
		return; /* recorder_tpm_step goes on */
	put(r);
	if (r->tpm.t)
		changed(r);
}

void recorder_tpm_end(struct recorder *r)
{
	while (r->tpm.n) {
		int fd = tpm_fd(r->tpm.t);

		poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, END_STEP_MS);
		recorder_tpm_step(r);
	}
}

/* How keys are kept, and what of the TPM. */
json_t *recorder_keys_json(const struct recorder *r)
{
	json_t *o = json_pack("{s:s}", "kept", epochs_sealed(r->epochs) ? "encrypted" : "plain");
	const struct tpm_counts *n;
	enum tpm_cause cause = TPM_OPEN;
	const char *why;
	json_t *m;

	if (!o || !r->tpm.t)
		return o;
	n = tpm_counts(r->tpm.t);
	why = tpm_trouble(r->tpm.t, &cause);
	m = json_object();
	for (size_t i = 0; i < TPM_CAUSES; i++)
		json_object_set_new(m, tpm_causes[i], json_integer(n->missing[i]));
	json_object_set_new(o, "tpm",
			    json_pack("{s:s, s:s, s:I, s:o}", "state",
				      why ? tpm_causes[cause] : "signs", "why", why ?: "", "lines",
				      (json_int_t)n->lines, "missing", m));
	return o;
}
