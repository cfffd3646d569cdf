// SPDX-License-Identifier: Apache-2.0
/*
 * probity policy keygen, sign, verify: the signature of a pack is a signed note beside it (record/note.h).
 * Flows in: a pack, a private key that only its owner can read. Flows out: FILE.sig, written whole or not
 * at all. What is signed is a pack: a file that the agent would refuse is refused here.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "cli.h"
#include "pack_file.h"
#include "policy_cmd.h"
#include "record/note.h"
#include "record/printable.h"

DEFINE_CLEANUP(struct signer, signer_free)

#define REVISION_MAX UINT64_C(999999999999) /* as a pack's own */

static int say(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int say(int code, const char *fmt, ...)
{
	char text[1024], safe[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	printable_copy(safe, sizeof(safe), text);
	fprintf(stderr, "probity: %s\n", safe);
	return code;
}

/* --- keygen ----------------------------------------------------------------------------------- */

static int write_vkey(const char *path, const struct note_key *k)
{
	char text[256];
	size_t n;

	if (note_vkey(k, text, sizeof(text) - 1))
		return -EINVAL;
	n = strlen(text);
	text[n] = '\n';
	return fs_write_atomic(path, text, n + 1, 0644);
}

static int keygen(const char *dir, const char *name)
{
	_cleanup_(signer_freep) struct signer *s = NULL;
	_cleanup_free_ char *key = NULL, *vkey = NULL;
	struct note_key k = {};
	char err[512], text[256];
	int r;

	if (asprintf(&key, "%s/%s.key", dir, name) < 0 ||
	    asprintf(&vkey, "%s/%s.vkey", dir, name) < 0)
		return CLI_UNREACHABLE;
	if (!access(key, F_OK))
		return say(CLI_NEGATIVE, "%s is there already; a key is never replaced", key);
	r = fs_mkdirs(dir, 0700);
	if (r)
		return say(CLI_UNREACHABLE, "%s: %s", dir, strerror(-r));
	if (signer_open(key, true, &s, err, sizeof(err)))
		return say(CLI_UNREACHABLE, "%s", err);
	snprintf(k.name, sizeof(k.name), "%s", name);
	memcpy(k.public, signer_public(s), sizeof(k.public));
	r = write_vkey(vkey, &k);
	if (r)
		return say(CLI_UNREACHABLE, "%s: %s", vkey, strerror(-r));
	note_vkey(&k, text, sizeof(text));
	printf("private key: %s (keep it off the hosts it governs)\npublic key:  %s, %s.pub\n%s\n",
	       key, vkey, key, text);
	return CLI_OK;
}

int cmd_policy_keygen(int argc, char **argv)
{
	const char *dir = ".", *name = NULL;
	const struct cli_option options[] = {
		{"output", 'o', CLI_TEXT, &dir, "DIR", "where to (default .)"},
		{"name", 0, CLI_TEXT, &name, "NAME", "of the key, in signatures and file names"},
		{0},
	};
	const struct cli_usage u = {
		"policy keygen", "",
		"Makes an Ed25519 key: NAME.key (PKCS#8 PEM, 0600), NAME.key.pub (PEM), NAME.vkey.",
		options,
		"Exit: 0 made, 1 there is one already, 2 wrong command line, 3 not writable."};
	int first, r = cli_options(&u, argc, argv, &first);

	if (r >= 0)
		return r;
	if (first < argc)
		return cli_wrong(&u, "takes no argument '%s'", argv[first]);
	if (!name || !note_name_ok(name) || strchr(name, '/') || name[0] == '.')
		return cli_wrong(&u, "--name: one word without space, + or /");
	return keygen(dir, name);
}

/* --- sign ------------------------------------------------------------------------------------- */

/* keys/ops.key → ops */
static void name_of(const char *key, char *dst, size_t cap)
{
	const char *slash = strrchr(key, '/'), *at = slash ? slash + 1 : key;
	size_t n = strlen(at);

	if (n > 4 && !strcmp(at + n - 4, ".key"))
		n -= 4;
	snprintf(dst, cap, "%.*s", (int)n, at);
}

static int note_of(const struct pack *p, uint64_t revision, struct policy_note *ret)
{
	*ret = (struct policy_note){.revision = revision ?: pack_revision(p)};
	snprintf(ret->pack, sizeof(ret->pack), "%s", pack_id(p));
	snprintf(ret->version, sizeof(ret->version), "%s", pack_version(p));
	memcpy(ret->sha256, pack_sha256(p), sizeof(ret->sha256));
	if (!ret->revision)
		return say(CLI_NEGATIVE, "the pack gives no revision; give one with --revision");
	if (ret->revision > REVISION_MAX)
		return say(CLI_NEGATIVE, "--revision: at most %" PRIu64, REVISION_MAX);
	if (revision && pack_revision(p) && revision != pack_revision(p))
		return say(CLI_NEGATIVE, "the pack says revision %" PRIu64 ", --revision %" PRIu64,
			   pack_revision(p), revision);
	return CLI_OK;
}

static int sign(const char *file, const char *key, const char *name, uint64_t revision)
{
	_cleanup_(signer_freep) struct signer *s = NULL;
	_cleanup_(pack_freep) struct pack *p = NULL;
	_cleanup_free_ char *sig = NULL;
	char err[1024], text[512], out[1024];
	struct policy_note note;
	size_t n;
	int r = pack_file_load(file, &p, err, sizeof(err));

	if (r)
		return say(r, "%s", err);
	r = note_of(p, revision, &note);
	if (r)
		return r;
	if (signer_open(key, false, &s, err, sizeof(err)))
		return say(CLI_UNREACHABLE, "%s", err);
	n = policy_note_text(&note, text, sizeof(text));
	n = n ? note_sign(text, n, name, s, out, sizeof(out)) : 0;
	if (!n || asprintf(&sig, "%s.sig", file) < 0)
		return say(CLI_NEGATIVE, "%s: cannot be signed", file);
	r = fs_write_atomic(sig, out, n, 0644);
	if (r)
		return say(CLI_UNREACHABLE, "%s: %s", sig, strerror(-r));
	printf("%s: %s %s, revision %" PRIu64 ", signed by %s\n", sig, note.pack, note.version,
	       note.revision, name);
	return CLI_OK;
}

int cmd_policy_sign(int argc, char **argv)
{
	const char *key = NULL, *name = NULL;
	uint64_t revision = 0;
	char made[NOTE_NAME_MAX];
	const struct cli_option options[] = {
		{"key", 'k', CLI_TEXT, &key, "FILE", "private key (PEM)"},
		{"revision", 'r', CLI_NUMBER, &revision, "N",
		 "higher than any before (default: the pack's revision:)"},
		{"name", 0, CLI_TEXT, &name, "NAME", "of the key (default: its file's name)"},
		{0},
	};
	const struct cli_usage u = {
		"policy sign", "FILE",
		"Signs a policy pack: writes FILE.sig, a signed note over its "
		"SHA-256 and revision.",
		options,
		"Exit: 0 signed, 1 not a valid pack, 2 wrong command line, 3 not "
		"readable."};
	int first, r = cli_options(&u, argc, argv, &first);

	if (r >= 0)
		return r;
	if (first + 1 != argc)
		return cli_wrong(&u, "give one FILE");
	if (!key)
		return cli_wrong(&u, "give the private key with --key");
	if (!name) {
		name_of(key, made, sizeof(made));
		name = made;
	}
	if (!note_name_ok(name))
		return cli_wrong(&u, "--name: one word without space or +");
	return sign(argv[first], key, name, revision);
}

/* --- verify ----------------------------------------------------------------------------------- */

static int read_key(const char *path, struct note_key *ret)
{
	_cleanup_free_ char *text = NULL;
	char err[512];
	size_t n;

	if (!fs_read(path, 4096, &text, &n) && !note_vkey_parse(text, n, ret))
		return CLI_OK;
	*ret = (struct note_key){};
	return public_read(path, ret->public, err, sizeof(err)) ? say(CLI_UNREACHABLE, "%s", err)
								: CLI_OK;
}

/* Why the note is not this pack's, or NULL. */
static const char *compare(const struct policy_note *n, const struct pack *p)
{
	if (memcmp(n->sha256, pack_sha256(p), sizeof(n->sha256)))
		return "the pack is not the text that was signed";
	if (strcmp(n->pack, pack_id(p)) || strcmp(n->version, pack_version(p)))
		return "the signature names another pack or version";
	if (pack_revision(p) && pack_revision(p) != n->revision)
		return "the pack says another revision than its signature";
	return NULL;
}

static int verify(const char *file, const char *key, bool json)
{
	_cleanup_(pack_freep) struct pack *p = NULL;
	_cleanup_free_ char *sig = NULL, *bytes = NULL;
	const char *why, *by = NULL;
	struct policy_note pn;
	struct note_key k;
	struct note note;
	char err[1024];
	size_t n;
	int r = read_key(key, &k);

	if (!r && asprintf(&sig, "%s.sig", file) < 0)
		r = CLI_UNREACHABLE;
	if (r)
		return r;
	r = pack_file_load(file, &p, err, sizeof(err));
	if (r)
		return say(r, "%s", err);
	r = fs_read(sig, NOTE_MAX, &bytes, &n);
	if (r)
		return say(CLI_UNREACHABLE, "%s: %s", sig, strerror(-r));
	if (note_parse(bytes, n, &note, &why))
		return say(CLI_NEGATIVE, "%s: not a signed note: %s", sig, why);
	r = note_verify(&note, &k, &by);
	if (r)
		return say(CLI_NEGATIVE, "%s: %s", sig,
			   r == -ENOKEY ? "not signed by that key" : "the signature is wrong");
	if (policy_note_parse(note.text, note.text_n, &pn))
		return say(CLI_NEGATIVE, "%s: signed, but not as a policy pack", sig);
	why = compare(&pn, p);
	if (why)
		return say(CLI_NEGATIVE, "%s: %s", file, why);
	if (json)
		return cli_print_json(json_pack("{ss ss ss sI ss}", "file", file, "pack", pn.pack,
						"version", pn.version, "revision",
						(json_int_t)pn.revision, "signer", by),
				      false, stdout)
			       ? CLI_UNREACHABLE
			       : CLI_OK;
	printf("%s: %s %s, revision %" PRIu64 ", signed by %s\n", file, pn.pack, pn.version,
	       pn.revision, by);
	return CLI_OK;
}

int cmd_policy_verify(int argc, char **argv)
{
	const char *key = NULL;
	bool json = false;
	const struct cli_option options[] = {
		{"key", 'k', CLI_TEXT, &key, "FILE", "public key: vkey, PEM, or 64 hex digits"},
		CLI_OPT_JSON(&json),
		{0},
	};
	const struct cli_usage u = {
		"policy verify", "FILE",
		"Checks FILE.sig: who signed the pack, and that it is this text.", options,
		"Exit: 0 signed by that key, 1 not, 2 wrong command line, 3 not "
		"readable."};
	int first, r = cli_options(&u, argc, argv, &first);

	if (r >= 0)
		return r;
	if (first + 1 != argc)
		return cli_wrong(&u, "give one FILE");
	if (!key)
		return cli_wrong(&u, "give the public key with --key");
	return verify(argv[first], key, json);
}
