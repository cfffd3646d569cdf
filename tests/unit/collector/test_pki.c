// SPDX-License-Identifier: Apache-2.0
/*
 * Certificates made, kept and refused; and a real TLS handshake in memory against the server
 * context: who gets in, and under which name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/fs.h"
#include "collector/pki.h"

static char top[] = "/tmp/probity-pki-XXXXXX", err[512];

static const char *at(const char *tail)
{
	static char path[8][128];
	static int i;

	i = (i + 1) % 8;
	snprintf(path[i], sizeof(path[i]), "%s/%s", top, tail);
	return path[i];
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	return remove(path);
}

static int leaf(const char *ca, const char *out, enum pki_role role, const char *name, int *made)
{
	*made = 0;
	return pki_make_leaf(at(ca), at(out), role, name, made, err, sizeof(err));
}

static int set_up(void **state)
{
	int made = 0;

	assert_non_null(mkdtemp(top));
	assert_int_equal(pki_make_ca(at("pki"), &made, err, sizeof(err)), 0);
	assert_int_equal(made, 2);
	assert_int_equal(leaf("pki", "pki", PKI_SERVER, "alpha", &made), 0);
	assert_int_equal(made, 2);
	assert_int_equal(leaf("pki", "agent", PKI_AGENT, "alpha", &made), 0);
	assert_int_equal(made, 3);
	made = 0;
	assert_int_equal(pki_make_ca(at("evil"), &made, err, sizeof(err)), 0);
	assert_int_equal(leaf("evil", "foreign", PKI_AGENT, "alpha", &made), 0);
	return 0;
}

static int tear_down(void **state)
{
	return nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static X509 *load(const char *path)
{
	FILE *f = fopen(path, "r");
	X509 *x;

	assert_non_null(f);
	x = PEM_read_X509(f, NULL, NULL, NULL);
	fclose(f);
	assert_non_null(x);
	return x;
}

static void test_extensions(void **state)
{
	X509 *ca = load(at("pki/ca.pem")), *server = load(at("pki/server.pem")),
	     *agent = load(at("agent/agent.pem"));

	assert_int_equal(X509_check_ca(ca), 1);
	assert_int_equal(X509_get_pathlen(ca), 0);
	assert_int_equal(X509_get_key_usage(ca), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
	assert_int_equal(X509_get_extended_key_usage(server), XKU_SSL_SERVER);
	assert_int_equal(X509_get_extended_key_usage(agent), XKU_SSL_CLIENT);
	assert_int_equal(X509_get_key_usage(server), KU_DIGITAL_SIGNATURE);
	assert_int_equal(X509_check_ca(server), 0);
	assert_int_equal(X509_check_host(server, "localhost", 0, 0, NULL), 1);
	assert_int_equal(X509_check_host(server, "alpha", 0, 0, NULL), 1);
	assert_int_equal(X509_check_host(server, "beta", 0, 0, NULL), 0);
	assert_int_equal(X509_check_ip_asc(server, "127.0.0.1", 0), 1);
	assert_int_equal(X509_check_ip_asc(server, "::1", 0), 1);
	assert_int_not_equal(ASN1_INTEGER_cmp(X509_get_serialNumber(server),
					      X509_get_serialNumber(agent)),
			     0);
	X509_free(ca);
	X509_free(server);
	X509_free(agent);
}

static void test_modes(void **state)
{
	static const struct {
		const char *file;
		mode_t mode;
	} files[] = {
		{"pki/ca.key", 0600},	{"pki/server.key", 0600}, {"agent/agent.key", 0600},
		{"pki/ca.pem", 0644},	{"pki/server.pem", 0644}, {"agent/agent.pem", 0644},
		{"agent/ca.pem", 0644},
	};
	struct stat st;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		assert_int_equal(stat(at(files[i].file), &st), 0);
		assert_int_equal(st.st_mode & 0777, files[i].mode);
	}
}

static void test_again_keeps(void **state)
{
	char *before, *after;
	size_t n, m;
	int made = 0;

	assert_int_equal(fs_read(at("agent/agent.pem"), 65536, &before, &n), 0);
	assert_int_equal(pki_make_ca(at("pki"), &made, err, sizeof(err)), 0);
	assert_int_equal(made, 0);
	assert_int_equal(leaf("pki", "agent", PKI_AGENT, "alpha", &made), 0);
	assert_int_equal(made, 0);
	assert_int_equal(fs_read(at("agent/agent.pem"), 65536, &after, &m), 0);
	assert_int_equal(n, m);
	assert_memory_equal(before, after, n);
	free(before);
	free(after);
}

static void copy(const char *from, const char *to, mode_t mode)
{
	char *b;
	size_t n;

	assert_int_equal(fs_read(from, 65536, &b, &n), 0);
	assert_int_equal(fs_write_atomic(to, b, n, mode), 0);
	free(b);
}

/* Each row spoils one file of a good agent folder. */
static const struct {
	const char *name, *file, *from; /* from: NULL removes, "-" writes text */
	mode_t mode;
	const char *as;
	int r;
	const char *word;
} spoils[] = {
	{"certificate gone is made again", "agent.pem", NULL, 0, "alpha", 0, ""},
	{"ca.pem gone is given again", "ca.pem", NULL, 0, "alpha", 0, ""},
	{"key gone", "agent.key", NULL, 0, "alpha", -ENOENT, "agent.key: missing"},
	{"key readable by others", "agent.key", "agent/agent.key", 0640, "alpha", -EPERM,
	 "mode 640"},
	{"key of another", "agent.key", "foreign/agent.key", 0600, "alpha", -EKEYREJECTED,
	 "not the certificate of the key"},
	{"no key", "agent.key", "-", 0600, "alpha", -EBADMSG, "not a private key"},
	{"no certificate", "agent.pem", "-", 0644, "alpha", -EBADMSG, "not a certificate"},
	{"another host's", "agent.pem", "agent/agent.pem", 0644, "beta", -EKEYREJECTED,
	 "another host"},
	{"another CA's ca.pem", "ca.pem", "evil/ca.pem", 0644, "alpha", -EKEYREJECTED,
	 "another CA"},
	{"bad name", "agent.pem", NULL, 0, "a b", -EINVAL, "not a host name"},
	{"empty name", "agent.pem", NULL, 0, "", -EINVAL, "not a host name"},
};

static void test_spoiled(void **state)
{
	int made;

	for (size_t i = 0; i < sizeof(spoils) / sizeof(spoils[0]); i++) {
		char file[64];

		print_message("# %s\n", spoils[i].name);
		mkdir(at("s"), 0755);
		copy(at("agent/agent.key"), at("s/agent.key"), 0600);
		copy(at("agent/agent.pem"), at("s/agent.pem"), 0644);
		copy(at("agent/ca.pem"), at("s/ca.pem"), 0644);
		snprintf(file, sizeof(file), "s/%s", spoils[i].file);
		if (!spoils[i].from)
			assert_int_equal(unlink(at(file)), 0);
		else if (!strcmp(spoils[i].from, "-"))
			assert_int_equal(fs_write_atomic(at(file), "text\n", 5, spoils[i].mode), 0);
		else
			copy(at(spoils[i].from), at(file), spoils[i].mode);
		err[0] = '\0';
		assert_int_equal(leaf("pki", "s", PKI_AGENT, spoils[i].as, &made), spoils[i].r);
		assert_non_null(strstr(err, spoils[i].word));
		if (!spoils[i].r)
			assert_int_equal(made, 1);
	}
	/* Both files of the pair from another CA. */
	copy(at("foreign/agent.key"), at("s/agent.key"), 0600);
	copy(at("foreign/agent.pem"), at("s/agent.pem"), 0644);
	assert_int_equal(leaf("pki", "s", PKI_AGENT, "alpha", &made), -EKEYREJECTED);
}

static void test_names(void **state)
{
	char longest[PKI_NAME_MAX + 2];

	memset(longest, 'a', sizeof(longest));
	longest[PKI_NAME_MAX] = '\0';
	assert_true(pki_name_ok(longest));
	longest[PKI_NAME_MAX] = 'a';
	longest[PKI_NAME_MAX + 1] = '\0';
	assert_false(pki_name_ok(longest));
	assert_true(pki_name_ok("a-B.9_x"));
	assert_false(pki_name_ok(""));
	assert_false(pki_name_ok("a\x1b[2J"));
	assert_false(pki_name_ok("a/b"));
	assert_false(pki_name_ok("a,DNS:b"));
}

/* A client certificate with any subject, signed by the real CA: what our own maker never makes. */
static void odd_client(const char *const *cns, size_t count, int bytes)
{
	FILE *f = fopen(at("pki/ca.key"), "r");
	EVP_PKEY *ca_key = PEM_read_PrivateKey(f, NULL, NULL, NULL), *key = EVP_EC_gen("P-256");
	X509 *ca = load(at("pki/ca.pem")), *x = X509_new();

	fclose(f);
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 99);
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_issuer_name(x, X509_get_subject_name(ca));
	X509_set_pubkey(x, key);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN",
							    MBSTRING_UTF8,
							    (const unsigned char *)cns[i], bytes,
							    -1, 0),
				 1);
	assert_true(X509_sign(x, ca_key, EVP_sha256()) > 0);
	mkdir(at("odd"), 0755);
	f = fopen(at("odd/agent.pem"), "w");
	PEM_write_X509(f, x);
	fclose(f);
	f = fopen(at("odd/agent.key"), "w");
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	X509_free(x);
	X509_free(ca);
	EVP_PKEY_free(key);
	EVP_PKEY_free(ca_key);
}

static SSL_CTX *client_context(const char *folder, int version)
{
	SSL_CTX *c = SSL_CTX_new(TLS_client_method());
	char path[64];

	assert_non_null(c);
	SSL_CTX_set_max_proto_version(c, version);
	if (!folder)
		return c;
	snprintf(path, sizeof(path), "%s/%s.pem", folder,
		 strcmp(folder, "pki") ? "agent" : "server");
	assert_int_equal(SSL_CTX_use_certificate_file(c, at(path), SSL_FILETYPE_PEM), 1);
	snprintf(path, sizeof(path), "%s/%s.key", folder,
		 strcmp(folder, "pki") ? "agent" : "server");
	assert_int_equal(SSL_CTX_use_PrivateKey_file(c, at(path), SSL_FILETYPE_PEM), 1);
	return c;
}

/* Lets both ends talk until neither moves; true when the server is through. */
static bool shake(SSL *server, SSL *client)
{
	for (int i = 0; i < 20; i++) {
		SSL_do_handshake(client);
		SSL_do_handshake(server);
	}
	return SSL_is_init_finished(server);
}

static const struct {
	const char *name, *folder; /* of the client certificate, NULL: none */
	int version;
	const char *cn; /* NULL: the handshake fails; "": pki_peer refuses */
} guests[] = {
	{"agent", "agent", TLS1_3_VERSION, "alpha"},
	{"no certificate", NULL, TLS1_3_VERSION, NULL},
	{"TLS 1.2", "agent", TLS1_2_VERSION, NULL},
	{"other CA", "foreign", TLS1_3_VERSION, NULL},
	{"a server certificate as client", "pki", TLS1_3_VERSION, NULL},
	{"odd name", "odd", TLS1_3_VERSION, ""},
};

static void greet(SSL_CTX *ctx, size_t i)
{
	SSL_CTX *mine = client_context(guests[i].folder, guests[i].version);
	SSL *server = SSL_new(ctx), *client = SSL_new(mine);
	BIO *a, *b;
	char cn[PKI_NAME_MAX + 1] = "";
	uint8_t sha[32];

	print_message("# %s\n", guests[i].name);
	assert_int_equal(BIO_new_bio_pair(&a, 0, &b, 0), 1);
	SSL_set_bio(server, a, a);
	SSL_set_bio(client, b, b);
	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
	assert_int_equal(shake(server, client), guests[i].cn != NULL);
	assert_int_equal(pki_peer(server, cn, sha), guests[i].cn && guests[i].cn[0] ? 0 : -EACCES);
	assert_string_equal(cn, guests[i].cn ? guests[i].cn : "");
	if (guests[i].cn)
		assert_string_equal(SSL_get_version(server), "TLSv1.3");
	SSL_free(server);
	SSL_free(client);
	SSL_CTX_free(mine);
}

static void test_guests(void **state)
{
	static const char *const odd[][2] = {{"two", "names"},
					     {"sp ace", NULL},
					     {"a\0b", NULL},
					     {"esc\x1b", NULL}};
	SSL_CTX *ctx = NULL;

	assert_int_equal(pki_server_context(at("pki/ca.pem"), at("pki/server.pem"),
					    at("pki/server.key"), &ctx, err, sizeof(err)),
			 0);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		odd_client(odd[i], odd[i][1] ? 2 : 1, i == 2 ? 3 : -1);
		greet(ctx, sizeof(guests) / sizeof(guests[0]) - 1);
	}
	for (size_t i = 0; i < sizeof(guests) / sizeof(guests[0]); i++)
		greet(ctx, i);
	SSL_CTX_free(ctx);
}

static void test_context_refuses(void **state)
{
	static const struct {
		const char *ca, *cert, *key, *names;
	} t[] = {
		{"pki/none", "pki/server.pem", "pki/server.key", "pki/none"},
		{"pki/ca.pem", "pki/none", "pki/server.key", "pki/none"},
		{"pki/ca.pem", "pki/server.pem", "pki/none", "pki/none"},
		{"pki/ca.pem", "pki/server.pem", "agent/agent.key", "agent/agent.key"},
		{"pki/server.key", "pki/server.pem", "pki/server.key", "pki/server.key"},
	};
	SSL_CTX *ctx = NULL;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		assert_true(pki_server_context(at(t[i].ca), at(t[i].cert), at(t[i].key), &ctx, err,
					       sizeof(err)) < 0);
		assert_null(ctx);
		assert_non_null(strstr(err, t[i].names));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_extensions),	cmocka_unit_test(test_modes),
		cmocka_unit_test(test_again_keeps),	cmocka_unit_test(test_spoiled),
		cmocka_unit_test(test_names),		cmocka_unit_test(test_guests),
		cmocka_unit_test(test_context_refuses),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
