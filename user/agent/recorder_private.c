// SPDX-License-Identifier: Apache-2.0
/*
 * The recorder's part in privacy. In: the worker's payloads, with names in them; the keeper's question
 * whose pseudonym this is. Out: payloads as they are sealed; the name, once the record that it was asked
 * for is on disk. The name is taken out of the reason that was given: else the record would tell it to
 * everybody who reads records.
 *
 * Here and not in the worker: the worker parses what strangers send and holds no key. Here and not in
 * the keeper: every payload passes. With nothing configured a payload is not looked at. One that cannot
 * be read is not sealed as it came: its place stays, empty, and a LOSS record says why.
 */
#include "recorder_int.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proto/record.pb-c.h"

int recorder_private_open(struct recorder *r, char *err, size_t err_len)
{
	const struct recorder_config *c = r->cfg;
	int e;

	if (!c->privacy || !private_any(c->privacy))
		return 0;
	r->privacy = *c->privacy;
	r->private = true;
	if (!private_keyed(c->privacy))
		return 0;
	e = pseudonyms_open(c->pseudonym_key, &r->pseudonyms, err, err_len);
	if (!e)
		memcpy(r->privacy.key, r->pseudonyms.key[0], sizeof(r->privacy.key));
	return e;
}

void recorder_private_close(struct recorder *r)
{
	OPENSSL_cleanse(&r->pseudonyms, sizeof(r->pseudonyms));
	OPENSSL_cleanse(&r->privacy, sizeof(r->privacy));
}

static void declare_unreadable(struct recorder *r)
{
	uint8_t note[NOTE_BYTES_MAX];

	if (r->unreadable &&
	    !recorder_note(r, note,
			   note_loss("a payload could not be read to take out what is private",
				     "unreadable", r->unreadable, 0, 0, note)))
		r->unreadable = 0;
}

/* Seals what the configuration leaves of it. 0, or as spool_seal(). */
int recorder_private_seal(struct recorder *r, const struct role_record *head,
			  const uint8_t *payload)
{
	size_t n = head->len;
	int e = 0;

	if (!r->private)
		return spool_seal(r->spool, head->schema, head->id, payload, n, false);
	declare_unreadable(r);
	e = private_apply(&r->privacy, head->schema, payload, n, r->clean, SPOOL_PAYLOAD_MAX, &n);
	if (e == -ENOMEM)
		return e;
	if (!e)
		return spool_seal(r->spool, head->schema, head->id, r->clean, n, false);
	log_err("record %llu cannot be read to take out what is private: %s; it is left empty",
		(unsigned long long)head->id, strerror(-e));
	e = spool_seal(r->spool, head->schema, head->id, NULL, 0, false);
	if (!e) {
		r->refused++;
		r->unreadable++;
		declare_unreadable(r);
	}
	return e;
}

/* --- who is it ---------------------------------------------------------------------------------- */

/* The REVEAL record is durable when this returns 0. */
static int attest(struct recorder *r, const uint8_t *control, size_t n, uint64_t *ret_seq)
{
	int e = r->stalled ? -EIO : recorder_step(r);

	if (!e)
		e = recorder_note(r, control, n);
	if (e)
		return e;
	*ret_seq = spool_state(r->spool)->next_seq - 1;
	recorder_commit(r);
	return spool_state(r->spool)->durable_seq > *ret_seq ? 0 : -EIO;
}

/* Seals the question, its reason without the name. */
static int attest_nameless(struct recorder *r, const uint8_t *control, size_t n,
			   const char *pseudonym, const char *name, uint64_t *ret_seq)
{
	Probity__V1__Control *c = probity__v1__control__unpack(NULL, n, control);
	bool error = false;
	char *reason;
	int e;

	if (!c)
		return -EBADMSG;
	reason = private_without(name, pseudonym, c->reason, &error);
	if (reason) {
		if (c->reason != protobuf_c_empty_string)
			free(c->reason);
		c->reason = reason;
	}
	n = probity__v1__control__get_packed_size(c);
	e = error ? -ENOMEM : n > SPOOL_PAYLOAD_MAX ? -EMSGSIZE : 0;
	if (!e)
		e = attest(r, r->clean, probity__v1__control__pack(c, r->clean), ret_seq);
	probity__v1__control__free_unpacked(c, NULL);
	return e;
}

void recorder_reveal(struct recorder *r, const uint8_t *body)
{
	struct role_revealed a = {0};
	char *name = NULL;
	struct role_reveal q;

	memcpy(&q, body, sizeof(q));
	body += sizeof(q);
	a.id = q.id;
	if (r->pseudonyms.n)
		name = pseudonyms_resolve(&r->pseudonyms, q.pseudonym,
					  (const char *)body + q.control_len, q.names_len);
	a.result = !r->pseudonyms.n ? -ENOKEY
				    : attest_nameless(r, body, q.control_len, q.pseudonym,
						      name ?: "", &a.seq);
	if (name && !a.result)
		snprintf(a.name, sizeof(a.name), "%s", name);
	if (role_send(r->keeper, ROLE_REVEALED, &a, sizeof(a)))
		log_err("the answer to a reveal could not be sent");
	if (name)
		OPENSSL_cleanse(name, strlen(name));
	free(name);
	OPENSSL_cleanse(&a, sizeof(a));
}
