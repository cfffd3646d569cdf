// SPDX-License-Identifier: Apache-2.0
/*
 * The certificate of one record with everything that is needed to check it away from the host: of an AI call
 * the decision on it, in the terms of who asked for what; of any other record its decision, if there was one,
 * and every field of its payload, or that it was erased. It adds nothing to the record: every field is read from the record's bytes, which are
 * inside as base64, beside the signature of their first 176, the header, and the public key of the epoch. A
 * record of RECORD_CHECKPOINT has no signature; the proof that cli/cert.c adds stands for it. Its id is the leaf hash cut to 128
 * bits, so the same record always gives the same certificate, byte for byte.
 */
#include "render.h"

#include <openssl/sha.h>
#include <string.h>

static json_t *time_json(uint64_t unix_ns)
{
	char when[40];

	render_time(unix_ns, when);
	return json_string(when);
}

static json_t *part_json(const ProtobufCMessage *m)
{
	return m ? render_message(m) : json_object();
}

static json_t *id_json(const uint8_t leaf[static RECORD_HASH_LEN])
{
	json_t *hex = render_hex(leaf, 16);
	json_t *id = hex ? json_sprintf("pcert-%s", json_string_value(hex)) : NULL;

	json_decref(hex);
	return id;
}

static json_t *issued_for(const struct sealed *s)
{
	const struct record *h = &s->head;

	return json_pack("{so sI sI so so so sI}", "chain", render_hex(h->chain, 16), "epoch",
			 (json_int_t)h->epoch, "seq", (json_int_t)h->seq, "leaf",
			 render_hex(s->leaf, 32), "prev", render_hex(h->prev, 32), "time",
			 time_json(h->wall_ns), "wall_unix_ns", (json_int_t)h->wall_ns);
}

static json_t *rules(const Probity__V1__Decision *d)
{
	json_t *a = json_array();

	for (size_t i = 0; a && i < d->n_rules; i++) {
		if (json_array_append_new(a, render_message(&d->rules[i]->base))) {
			json_decref(a);
			return NULL;
		}
	}
	return a;
}

static json_t *subject(const Probity__V1__AiCall *c)
{
	return json_pack("{so so so}", "user", render_text(c->process ? c->process->user : ""),
			 "process", part_json(c->process ? &c->process->base : NULL), "tool",
			 part_json(c->tool ? &c->tool->base : NULL));
}

static json_t *object(const Probity__V1__AiCall *c)
{
	json_t *classes = json_array();

	for (size_t i = 0; i < c->n_data_classes; i++)
		json_array_append_new(classes, render_message(&c->data_classes[i]->base));
	return json_pack("{so so s{so so so} so so so}", "service",
			 part_json(c->service ? &c->service->base : NULL), "server_address",
			 render_text(c->server_address), "model", "request",
			 render_text(c->request_model), "response", render_text(c->response_model),
			 "vendor", render_text(c->model_vendor), "operation_name",
			 render_text(c->operation_name), "operation", render_text(c->operation),
			 "data_classes", classes);
}

/* Takes both references; NULL when either is missing. */
static json_t *merged(json_t *o, json_t *more)
{
	if (o && more && !json_object_update_new(o, more))
		return o;
	if (!o)
		json_decref(more);
	json_decref(o);
	return NULL;
}

static json_t *decision_json(const Probity__V1__Decision *d)
{
	return json_pack("{so so so sI so so so so so so so sb}", "policy_set",
			 render_text(d->policy_set), "policy_version",
			 render_text(d->policy_version), "policy_sha256",
			 render_hex(d->policy_sha256.data, d->policy_sha256.len),
			 "policy_generation", (json_int_t)d->policy_generation, "evaluated_at",
			 time_json(d->evaluated_at_unix_ns), "mode", render_text(d->mode),
			 "rules_evaluated", rules(d), "disposition", render_text(d->disposition),
			 "risk_score", json_real(d->risk_score) ?: json_null(), "effect",
			 render_text(d->effect), "mechanism", render_text(d->mechanism),
			 "before_effect", (int)d->before_effect);
}

static const ProtobufCMessage *payload_of(const struct sealed *s)
{
	return s->call	    ? &s->call->base
	       : s->control ? &s->control->base
	       : s->mcp	    ? &s->mcp->base
	       : s->denial  ? &s->denial->base
			    : NULL;
}

static const Probity__V1__Decision *decision_of(const struct sealed *s)
{
	return s->call	   ? s->call->decision
	       : s->mcp	   ? s->mcp->decision
	       : s->denial ? s->denial->decision
			   : NULL;
}

static json_t *call_json(const Probity__V1__AiCall *c)
{
	return json_pack("{so so s{so so}}", "subject", subject(c), "object", object(c),
			 "completeness", "verdict", render_text(c->completeness), "reason",
			 render_text(c->incomplete_reason));
}

/* All there is of it; null where it cannot be read or is gone. */
static json_t *payload_json(const struct sealed *s)
{
	const ProtobufCMessage *m = payload_of(s);

	return json_pack("{ss sb so}", "kind", render_kind(s), "erased", !s->head.payload,
			 "payload", m ? render_message(m) : json_null());
}

static json_t *proof_json(const struct sealed *s, const uint8_t *pub)
{
	uint8_t whole[SHA256_DIGEST_LENGTH];

	SHA256(s->bytes, s->len, whole);
	return json_pack("{so* so ss so so so* so}", "record_sha256",
			 s->head.payload ? render_hex(whole, sizeof(whole)) : NULL,
			 "payload_sha256", render_hex(s->bytes + RECORD_HEADER_LEN - 32, 32),
			 "algorithm", s->head.alg == RECORD_ED25519 ? "ed25519" : "checkpoint",
			 "key_id", render_hex(s->head.key_id, 8), "public_key",
			 render_hex(pub, RECORD_PUBKEY_LEN), "signature",
			 s->sig ? render_base64(s->sig, RECORD_SIG_LEN) : NULL, "record",
			 render_base64(s->bytes, s->len));
}

json_t *render_certificate(const struct sealed *s, const uint8_t pub[static RECORD_PUBKEY_LEN])
{
	const Probity__V1__Decision *d = decision_of(s);
	json_t *o = json_pack("{so si so}", "certificate_id", id_json(s->leaf), "version",
			      CERTIFICATE_VERSION, "issued_for", issued_for(s));

	if (d)
		o = merged(o, decision_json(d));
	o = merged(o, s->call && d ? call_json(s->call) : payload_json(s));
	return merged(o, proof_json(s, pub));
}
