// SPDX-License-Identifier: Apache-2.0
/*
 * The window in the guard. Flows in: requests over the control socket, from root or an operator.
 * Flows out: `until_ns`, and a GUARD record of every window, of its end, and of every refusal.
 *
 * Where the host has an operator's public key (--policy-key), a request carries a signed note over the
 * agent's nonce, the host and the length of the window; a nonce is good once and for a minute, so a
 * note that was seen opens nothing. Without such a key root alone may: there is nobody to tell root
 * from, and the record says so.
 */
#include <errno.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/config.h"
#include "agent/control.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "guard_int.h"
#include "record/note.h"
#include "record/unlock_note.h"

#define NONCE_S 60
#define FOR_MAX_S (24 * 3600)
#define SECOND 1000000000ull

static void seal(struct guard *g, const struct control_call *call, uint64_t until, const char *text)
{
	Probity__V1__Control c = PROBITY__V1__CONTROL__INIT;

	c.kind = PROBITY__V1__CONTROL__KIND__GUARD;
	c.reason = (char *)text;
	c.operator_ = (char *)control_user(call);
	c.operator_uid = control_uid(call);
	c.until_unix_ns = until;
	log_info("guard: %s (%s)", text, control_user(call));
	guard_seal(g, &c);
}

static void refuse(struct guard *g, struct control_call *call, const char *why)
{
	char text[256];

	snprintf(text, sizeof(text), "unlock refused: %s", why);
	seal(g, call, 0, text);
	control_fail(call, "%s", why);
}

static void hex(const uint8_t *p, size_t n, char *to)
{
	for (size_t i = 0; i < n; i++)
		snprintf(to + 2 * i, 3, "%02x", p[i]);
}

/* What the note is for: this machine, also where it has no id of its own. */
static const char *host(const struct guard *g)
{
	static char name[256];

	if (g->cfg->host_id && g->cfg->host_id[0])
		return g->cfg->host_id;
	gethostname(name, sizeof(name) - 1);
	return name[0] ? name : "localhost";
}

void guard_challenge(struct guard *g, struct control_call *call)
{
	char nonce[2 * NONCE_BYTES + 1];

	if (RAND_bytes(g->nonce, sizeof(g->nonce)) != 1) {
		control_fail(call, "no random bytes");
		return;
	}
	g->nonce_ns = guard_boot_ns() + NONCE_S * SECOND;
	hex(g->nonce, sizeof(g->nonce), nonce);
	control_reply(call, json_pack("{s:s, s:s, s:b, s:b}", "nonce", nonce, "host", host(g),
				      "signed", g->cfg->policy_key != NULL, "locked", g->locked));
}

/* --- who may ------------------------------------------------------------------------------------ */

static int key_read(const char *path, struct note_key *ret)
{
	_cleanup_free_ char *text = NULL;
	char err[256];
	size_t n;

	if (!fs_read(path, 4096, &text, &n) && !note_vkey_parse(text, n, ret))
		return 0;
	*ret = (struct note_key){};
	return public_read(path, ret->public, err, sizeof(err));
}

/* The text that must have been signed. */
static int wanted(struct guard *g, uint64_t for_s, char *to, size_t cap)
{
	char nonce[2 * NONCE_BYTES + 1];
	uint64_t until = g->nonce_ns;

	g->nonce_ns = 0; /* once */
	if (until < guard_boot_ns())
		return -ETIME;
	hex(g->nonce, sizeof(g->nonce), nonce);
	return unlock_note_text(nonce, host(g), for_s, to, cap) ? 0 : -EMSGSIZE;
}

/* NULL: signed by the key of this host. */
static const char *check(struct guard *g, uint64_t for_s, const char *signed_note)
{
	const char *why = "", *by;
	struct note_key key;
	struct note note;
	char text[512];

	if (!signed_note)
		return "this host has an operator's key: the request must be signed (--key)";
	if (key_read(g->cfg->policy_key, &key))
		return "the operator's public key cannot be read";
	if (note_parse(signed_note, strlen(signed_note), &note, &why))
		return "not a signed note";
	if (wanted(g, for_s, text, sizeof(text)))
		return "ask again: the challenge is more than a minute old, or was used";
	if (note.text_n != strlen(text) || memcmp(note.text, text, note.text_n))
		return "signed for something else: another host, challenge or time";
	return note_verify(&note, &key, &by) ? "not signed by the key of this host" : NULL;
}

void guard_unlock(struct guard *g, struct control_call *call)
{
	const json_t *r = control_request(call);
	uint64_t for_s = json_integer_value(json_object_get(r, "for_s")), unix_ns;
	const char *why = NULL;
	struct timespec now;
	char text[160];

	if (!g->locked) {
		control_fail(call, "the guard is not in force: %s", g->why);
		return;
	}
	if (!for_s || for_s > FOR_MAX_S) {
		control_fail(call, "for: 1 s to 24 h");
		return;
	}
	if (g->cfg->policy_key)
		why = check(g, for_s, json_string_value(json_object_get(r, "note")));
	else if (control_uid(call))
		why = "without an operator's key only root unlocks";
	if (why) {
		refuse(g, call, why);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	unix_ns = (now.tv_sec + for_s) * SECOND + now.tv_nsec;
	__atomic_store_n(&g->now->until_ns, guard_boot_ns() + for_s * SECOND, __ATOMIC_SEQ_CST);
	g->open = true;
	snprintf(text, sizeof(text), "unlocked for %llu s%s", (unsigned long long)for_s,
		 g->cfg->policy_key ? "" : ", by root: this host has no operator's key");
	seal(g, call, unix_ns, text);
	control_reply(call, json_pack("{s:I}", "until_unix_ns", (json_int_t)unix_ns));
}

void guard_lock(struct guard *g, struct control_call *call)
{
	if (!g->locked) {
		control_fail(call, "the guard is not in force: %s", g->why);
		return;
	}
	__atomic_store_n(&g->now->until_ns, 0, __ATOMIC_SEQ_CST);
	if (g->open)
		seal(g, call, 0, "locked again");
	g->open = false;
	control_reply(call, json_pack("{}"));
}
