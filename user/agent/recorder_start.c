// SPDX-License-Identifier: Apache-2.0
/*
 * In: a fresh process, still root. Out: a recorder with its key, spool and connection set up, and
 * without every right it needed for that. Order: what needs root first, then confine, and only
 * then the first byte from another role or the network. Any failure is one line and the end.
 */
#include "recorder_int.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "confine.h"

#define PEM_MAX (64 * 1024)
#define SEGMENTS_MIN 4 /* the bound removes whole segments, so there must be some */

/* #syscalls of the recorder: files of the spool; sockets, name service and the resolver's thread
 * of libcurl; messages of the roles. */
static const char *const syscalls[] = {
	"openat",
	"fstat",
	"newfstatat",
	"statx",
	"lseek",
	"pread64",
	"pwrite64",
	"fsync",
	"fdatasync",
	"ftruncate",
	"fallocate",
	"unlinkat",
	"unlink",
	"renameat",
	"renameat2",
	"rename",
	"faccessat",
	"faccessat2",
	"access",
	"stat",
	"lstat",
	"fcntl",
	"getdents64",
	"readlink",
	"socket",
	"connect",
	"bind",
	"sendto",
	"recvfrom",
	"sendmsg",
	"recvmsg",
	"sendmmsg",
	"recvmmsg",
	"shutdown",
	"getsockopt",
	"setsockopt",
	"getsockname",
	"getpeername",
	"socketpair",
	"poll",
	"ppoll",
	"select",
	"pselect6",
	"ioctl",
	"readv",
	"writev",
	"eventfd2",
	"pipe2",
	"clone",
	"clone3",
	"set_robust_list",
	"getuid",
	"geteuid",
	"getgid",
	"getegid",
	"uname",
	"sysinfo",
	"sched_getaffinity",
	"prlimit64",
	"mkdirat",
	"open",
	NULL,
};

static int tls_client(struct recorder *r, char *err, size_t err_len)
{
	const struct recorder_config *c = r->cfg;
	const char *const paths[] = {c->ca_file, c->cert_file, c->key_file};
	char *text[3] = {0};
	size_t n[3] = {0};
	int e = 0;

	for (int i = 0; i < 3 && !e; i++) {
		e = fs_read(paths[i], PEM_MAX, &text[i], &n[i]);
		if (e)
			snprintf(err, err_len, "%s: %s", paths[i], strerror(-e));
	}
	if (!e) {
		const struct forward_config f = {
			.host = c->collector_host,
			.port = c->collector_port,
			.ca = {text[0], n[0]},
			.cert = {text[1], n[1]},
			.key = {text[2], n[2]},
			.host_name = c->host,
			.epochs = r->epochs,
			.spool = r->spool,
			.witness_vkey = c->witness_vkey,
			.declare = recorder_declare,
			.set_back = recorder_set_back,
			.ctx = r,
		};
		e = forward_new(&f, &r->forward, err, err_len);
	}
	if (text[2])
		OPENSSL_cleanse(text[2], n[2]);
	for (int i = 0; i < 3; i++)
		free(text[i]);
	return e;
}

static int origin(struct recorder *r)
{
	const char *org = r->cfg->org && *r->cfg->org ? r->cfg->org : "probity";
	uint8_t chain[16] = {0};
	char *slash;
	int e = checkpoint_origin(org, r->cfg->host, chain, r->origin);

	slash = e ? NULL : strrchr(r->origin, '/');
	if (slash)
		*slash = '\0'; /* the spool adds its own chain */
	return e;
}

static int key_and_spool(struct recorder *r, char *err, size_t err_len)
{
	const struct recorder_config *c = r->cfg;
	uint32_t segment = c->segment_bytes ? c->segment_bytes : RECORDER_SEGMENT;
	char keys[4000], spool[4000];
	struct spool_config s = {.dir = spool};
	struct kek kek;
	int e;

	if (snprintf(keys, sizeof(keys), "%s/keys", c->state_dir) >= (int)sizeof(keys)) {
		snprintf(err, err_len, "state directory: name too long");
		return -ENAMETOOLONG;
	}
	snprintf(spool, sizeof(spool), "%s/spool", c->state_dir);
	r->epoch_ns = (c->epoch_s ? c->epoch_s : SPOOL_EPOCH_NS / 1000000000) * 1000000000ull;
	e = origin(r);
	if (e) {
		snprintf(err, err_len, "host or organization: no name for a checkpoint");
		return e;
	}
	e = kek_open(c->kek, &kek, err, err_len);
	if (!e)
		e = epochs_open_with(keys, &kek, &r->epochs, err, err_len);
	OPENSSL_cleanse(&kek, sizeof(kek));
	if (e)
		return e;
	s.tpm_public = r->tpm.t ? tpm_public(r->tpm.t) : NULL;
	s.epochs = r->epochs;
	s.origin = r->origin;
	s.epoch_ns = r->epoch_ns;
	s.by_checkpoint = c->sign_checkpoints;
	s.segment_bytes =
		segment < r->spool_max / SEGMENTS_MIN ? segment : r->spool_max / SEGMENTS_MIN;
	return spool_open(&s, &r->spool, err, err_len);
}

static int leave_rights(struct recorder *r, char *err, size_t err_len)
{
	struct confine c = {
		.name = "recorder",
		.syscalls = syscalls,
		.no_seccomp = r->cfg->no_seccomp,
	};
	const char *user = "", *what = "";
	int e;

	if (geteuid() == 0) {
		e = confine_user(r->cfg->user, &c.uid, &c.gid, &user);
		if (e) {
			snprintf(err, err_len, "user %s does not exist", r->cfg->user);
			return e;
		}
		e = spool_chown(r->spool, c.uid, c.gid);
		if (e) {
			snprintf(err, err_len, "%s/spool: cannot be given to user %s: %s",
				 r->cfg->state_dir, user, strerror(-e));
			return e;
		}
	}
	e = confine(&c, &what);
	if (e)
		snprintf(err, err_len, "cannot give up rights: %s: %s", what, strerror(-e));
	else
		log_info("spool %s/spool, runs as %s", r->cfg->state_dir,
			 *user ? user : "the calling user");
	return e;
}

int recorder_open(struct recorder *r)
{
	const struct recorder_config *c = r->cfg;
	char err[512] = "out of memory";
	int e;

	r->spool_max = c->spool_max_bytes ? c->spool_max_bytes : RECORDER_SPOOL_MAX;
	if (r->spool_max < SPOOL_MAX_LEAST)
		r->spool_max = SPOOL_MAX_LEAST;
	r->sync_ms = c->sync_ms ? c->sync_ms : RECORDER_SYNC_MS;
	r->sync_records = c->sync_records ? c->sync_records : RECORDER_SYNC_RECORDS;
	/* First, as the helper is a fork: before there are threads, or keys in memory. */
	e = recorder_tpm_open(r, err, sizeof(err));
	curl_global_init(CURL_GLOBAL_DEFAULT);
	if (!e)
		e = recorder_private_open(r, err, sizeof(err));
	if (!e)
		e = key_and_spool(r, err, sizeof(err));
	if (!e && c->collector_host[0])
		e = tls_client(r, err, sizeof(err));
	if (!e) {
		r->reserve = spool_reserve(r->spool) == 0;
		if (!r->reserve)
			log_warn("spool %s/spool: no space for the reserve of %d KiB", c->state_dir,
				 SPOOL_RESERVE / 1024);
		e = leave_rights(r, err, sizeof(err));
	}
	if (e)
		log_err("%s", err);
	return e;
}

void recorder_close(struct recorder *r)
{
	recorder_private_close(r);
	tpm_free(r->tpm.t);
	forward_free(r->forward);
	spool_free(r->spool);
	epochs_free(r->epochs);
	pending_clear(&r->held);
	pending_clear(&r->queue);
	if (r->signals >= 0)
		close(r->signals);
	curl_global_cleanup();
}
