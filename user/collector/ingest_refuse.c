// SPDX-License-Identifier: Apache-2.0
/*
 * What a record that was refused is: noise, a host that breaks a rule, or one whose keys sign two
 * histories; and a time that cannot be. Out: the fault, and a finding with the bytes as evidence.
 */
#include "ingest_int.h"

#include <string.h>

#include "record/render.h"

/* --- two histories --------------------------------------------------------------------------------- */

/* Whether a key of this chain made it: tells a host that forks from noise. A record without signature of
 * its own has its MAC. */
static bool by_chain(struct ingest *in, const Probity__V1__SealedRecord *rec,
		     const struct record *head, struct store_key *ret)
{
	struct mac_key k = {.epoch = 0};
	struct verifier *v = NULL;
	struct tree_hash leaf;
	bool ok = false;

	if (store_key_by_id(in->st, in->chain.id, head->key_id, ret))
		return false;
	if (rec->signature.len == RECORD_SIG_LEN && !verifier_new(ret->public, &v))
		ok = verifier_ok(v, rec->record.data, RECORD_HEADER_LEN, rec->signature.data);
	verifier_free(v);
	if (ok || head->alg != RECORD_CHECKPOINT || !in->chain.seeded || rec->mac.len != MAC_LEN ||
	    head->epoch > in->state.epoch + 1)
		return ok;
	record_leaf(rec->record.data, leaf.b);
	memcpy(k.k, in->chain.mac_seed, MAC_LEN);
	return mac_at(&k, head->epoch, &k) && mac_ok(&k, &leaf, rec->mac.data);
}

static bool is_start(const Probity__V1__SealedRecord *rec)
{
	_cleanup_sealed_ struct sealed s = {0};
	const char *why;

	return !sealed_open(rec->record.data, rec->record.len, NULL, &s, &why) && s.control &&
	       s.control->kind == PROBITY__V1__CONTROL__KIND__START;
}

static int noise(struct ingest *in, uint64_t seq, const Probity__V1__SealedRecord *rec,
		 const char *why)
{
	char text[96];

	snprintf(text, sizeof(text), "record refused: %s", why);
	return ingest_refuse(in, F(BAD_RECORD), STORE_HIGH, "bad_record", seq, rec, text);
}

int ingest_fork(struct ingest *in, uint64_t seq, const Probity__V1__SealedRecord *rec,
		const char *why)
{
	struct store_key k;
	struct record head;

	if (record_decode(rec->record.data, rec->record.len, &head, &why) ||
	    !by_chain(in, rec, &head, &k))
		return noise(in, seq, rec, why);
	if (k.seq > seq)
		return ingest_refuse(
			in, F(FORK), STORE_CRITICAL, "resealed", seq, rec,
			"FORK ALARM: a key signs a record from before its epoch: history "
			"was sealed anew; what was committed first stands");
	if (is_start(rec))
		return ingest_refuse(
			in, F(FORK), STORE_CRITICAL, "rollback", seq, rec,
			"FORK ALARM: the host started again where more is held: its log's tail "
			"was cut or an older state put back; what was committed first stands");
	return ingest_refuse(in, F(FORK), STORE_CRITICAL, "fork", seq, rec,
			     "FORK ALARM: the host's key signed two different histories; "
			     "what was committed first stands, the other is kept as evidence");
}

/* --- one that does not fit ------------------------------------------------------------------------- */

static const struct misfit {
	const char *why, *kind;
	enum store_severity severity;
	const char *text;
} misfits[] = {
	{"mac", "mac", STORE_CRITICAL,
	 "record refused: its MAC is missing or wrong: it was not made by this host's agent"},
	{"tree", "tree", STORE_CRITICAL,
	 "record refused: the seal's tree is not that of the records before it"},
	{"seal", "bad_seal", STORE_CRITICAL, "record refused: the seal says what is not so"},
	{"seal overdue", "missing_seal", STORE_CRITICAL,
	 "record refused: its epoch should have been sealed before it"},
	{"time", "back_dated", STORE_HIGH,
	 "record refused: its time is not behind the record before it, and no clock step says why"},
	{"boot", "back_dated", STORE_HIGH, "record refused: another boot, and no start before it"},
};

/* An epoch other than the one that is open. */
static int other_epoch(struct ingest *in, uint64_t seq, const Probity__V1__SealedRecord *rec)
{
	_cleanup_sealed_ struct sealed s = {0};
	const char *why;

	if (sealed_open(rec->record.data, rec->record.len, NULL, &s, &why))
		return noise(in, seq, rec, why);
	if (s.head.epoch > in->state.epoch + in->state.sealed)
		return ingest_refuse(
			in, F(BAD_RECORD), STORE_CRITICAL, "missing_seal", seq, rec,
			"record refused: of a later epoch, and the one before has no seal");
	if (in->state.sealed && s.control && s.head.epoch == in->state.epoch &&
	    s.control->kind == PROBITY__V1__CONTROL__KIND__SEAL)
		return ingest_refuse(in, F(BAD_RECORD), STORE_CRITICAL, "two_seals", seq, rec,
				     "record refused: a second seal of one epoch");
	return ingest_refuse(in, F(BAD_RECORD), STORE_HIGH, "epoch", seq, rec,
			     "record refused: of an epoch that is sealed");
}

static int other_key(struct ingest *in, uint64_t seq, const Probity__V1__SealedRecord *rec)
{
	struct record head;
	struct store_key k;
	const char *why;
	bool old = in->known && !record_decode(rec->record.data, rec->record.len, &head, &why) &&
		   !store_key_by_id(in->st, in->chain.id, head.key_id, &k);

	return ingest_refuse(in, F(WRONG_KEY), STORE_HIGH, old ? "old_key" : "wrong_key", seq, rec,
			     old ? "record names the key of another epoch than its own"
				 : "record names another key than the chain's");
}

int ingest_misfit(struct ingest *in, uint64_t seq, const Probity__V1__SealedRecord *rec,
		  const char *why)
{
	if (!strcmp(why, "key id"))
		return other_key(in, seq, rec);
	if (in->known && !strcmp(why, "previous hash"))
		return ingest_fork(in, seq, rec, why);
	if (in->known && !strcmp(why, "epoch"))
		return other_epoch(in, seq, rec);
	for (size_t i = 0; i < ARRAY_SIZE(misfits); i++)
		if (!strcmp(why, misfits[i].why))
			return ingest_refuse(in, F(BAD_RECORD), misfits[i].severity,
					     misfits[i].kind, seq, rec, misfits[i].text);
	return noise(in, seq, rec, why);
}

/* --- time ------------------------------------------------------------------------------------------ */

/* The chain's own rules let a clock be set back when the host says so. Behind what was cosigned it may not
 * go all the same: nothing shall be put there later. */
int ingest_time(struct ingest *in, const struct record *head, const Probity__V1__SealedRecord *rec)
{
	const uint64_t apart = INGEST_CLOCK_NS;
	bool back = head->wall_ns +
		    apart<in->floor_ns, ahead = head->wall_ns>(uint64_t) in->now_ns + apart;
	int r;

	if (in->told_time || (!back && !ahead))
		return 0;
	in->told_time = true;
	snprintf(in->error, sizeof(in->error), "%s",
		 back ? "record is dated before what was cosigned already"
		      : "record is dated after it was received");
	r = ingest_finding(in, back ? STORE_HIGH : STORE_MEDIUM,
			   back ? "back_dated" : "future_time", head->seq, rec);
	in->error[0] = '\0';
	return r;
}
