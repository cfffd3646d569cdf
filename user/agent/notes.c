// SPDX-License-Identifier: Apache-2.0
/*
 * In: what happened to the recorder or its spool. Out: the bytes of a Control message, ready to be
 * sealed. Nothing here is captured data; texts come from the configuration or are our own.
 */
#include "notes.h"

#include <string.h>

#include "proto/record.pb-c.h"
#include "record/note_ecdsa.h"

#define KIND(x) PROBITY__V1__CONTROL__KIND__##x

static size_t pack(const Probity__V1__Control *c, uint8_t *out)
{
	return probity__v1__control__get_packed_size(c) <= NOTE_BYTES_MAX
		       ? probity__v1__control__pack(c, out)
		       : 0;
}

size_t note_start(const struct recorder_config *cfg, const uint8_t *public, const uint8_t *nonce,
		  size_t nonce_len, uint64_t epoch_ns, int64_t clock_step_ns, uint8_t *out)
{
	Probity__V1__Control c = PROBITY__V1__CONTROL__INIT;

	c.kind = KIND(START);
	c.public_key = (ProtobufCBinaryData){RECORD_PUBKEY_LEN, (uint8_t *)public};
	c.nonce = (ProtobufCBinaryData){nonce_len, (uint8_t *)nonce};
	c.host = (char *)cfg->host;
	c.agent_version = (char *)cfg->agent_version;
	c.kernel = (char *)cfg->kernel;
	c.config_sha256 = (char *)cfg->config_sha256;
	c.epoch_ns = epoch_ns;
	c.clock_step_ns = clock_step_ns;
	return pack(&c, out);
}

static ProtobufCBinaryData tpm_key(const uint8_t *public)
{
	return (ProtobufCBinaryData){public ? ECDSA_PUBLIC_LEN : 0, (uint8_t *)public};
}

size_t note_tpm(const uint8_t *public, const char *cause, const char *reason, uint64_t count,
		uint8_t *out)
{
	Probity__V1__Control c = PROBITY__V1__CONTROL__INIT;

	c.kind = KIND(TPM);
	c.reason = (char *)reason;
	c.cause = (char *)cause;
	c.what = count ? "checkpoints" : "";
	c.count = count;
	c.tpm_public_key = tpm_key(public);
	return pack(&c, out);
}

size_t note_seal(const struct note_seal *n, uint8_t *out)
{
	Probity__V1__Control c = PROBITY__V1__CONTROL__INIT;

	c.kind = KIND(SEAL);
	c.reason = (char *)n->reason;
	c.epoch = n->epoch;
	c.epoch_first_seq = n->first_seq;
	c.tree_size = n->tree_size;
	c.tree_root = (ProtobufCBinaryData){TREE_HASH_LEN, (uint8_t *)n->root.b};
	c.next_public_key = (ProtobufCBinaryData){RECORD_PUBKEY_LEN, (uint8_t *)n->next_public};
	c.late = n->late;
	c.tpm_public_key = tpm_key(n->tpm_public);
	c.epoch_ns = n->epoch_ns;
	return pack(&c, out);
}

size_t note_clock_step(int64_t step_ns, uint8_t *out)
{
	Probity__V1__Control c = PROBITY__V1__CONTROL__INIT;

	c.kind = KIND(CLOCK_STEP);
	c.reason = "wall time moved against the time since boot";
	c.clock_step_ns = step_ns;
	return pack(&c, out);
}

size_t note_stop(const char *reason, uint8_t *out)
{
	Probity__V1__Control c = PROBITY__V1__CONTROL__INIT;

	c.kind = KIND(STOP);
	c.reason = (char *)reason;
	return pack(&c, out);
}

size_t note_loss(const char *reason, const char *cause, uint64_t count, uint64_t first,
		 uint64_t last, uint8_t *out)
{
	Probity__V1__Control c = PROBITY__V1__CONTROL__INIT;

	c.kind = KIND(LOSS);
	c.reason = (char *)reason;
	c.what = "records";
	c.cause = (char *)cause;
	c.count = count;
	c.first_seq = first;
	c.last_seq = last;
	return pack(&c, out);
}

size_t note_collector(const char *reason, const char *cause, uint64_t first, uint64_t last,
		      uint8_t *out)
{
	Probity__V1__Control c = PROBITY__V1__CONTROL__INIT;

	c.kind = KIND(COLLECTOR);
	c.reason = (char *)reason;
	c.cause = (char *)cause;
	c.first_seq = first;
	c.last_seq = last;
	return pack(&c, out);
}

size_t note_repair(const struct spool_repair *r, uint8_t *out)
{
	Probity__V1__Control c = PROBITY__V1__CONTROL__INIT;

	c.kind = KIND(REPAIR);
	c.reason = (char *)r->reason;
	c.file = (char *)r->file;
	c.offset = r->offset;
	c.bytes = r->bytes;
	return pack(&c, out);
}

size_t note_erase(const struct note_erase *n, uint8_t *out)
{
	Probity__V1__Control c = PROBITY__V1__CONTROL__INIT;

	c.kind = KIND(ERASE);
	c.reason = (char *)n->reason;
	c.operator_ = (char *)n->operator;
	c.operator_uid = n->uid;
	c.what = "payloads";
	c.count = n->last - n->first + 1;
	c.first_seq = n->first;
	c.last_seq = n->last;
	return pack(&c, out);
}
