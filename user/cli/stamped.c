// SPDX-License-Identifier: Apache-2.0
/*
 * In: what a collector says of a time stamp. Out: since when a checkpoint of a chain has existed at the latest,
 * by the word of an authority. Three links: the authority signed the checkpoint of the collector's log; the
 * proof leads from the entry to that checkpoint's root; the entry is a checkpoint. Who signed either checkpoint
 * does not matter for the time: they are compared with the chain as any other one.
 */
#include "stamped.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "record/checkpoint.h"
#include "record/timestamp.h"

static int wrong(char *err, size_t err_len, const char *what)
{
	snprintf(err, err_len, "%s", what);
	return -EBADMSG;
}

static bool read_checkpoint(const char *p, size_t n, struct checkpoint *ret)
{
	struct note note;
	const char *why;

	return !note_parse(p, n, &note, &why) &&
	       !checkpoint_parse(note.text, note.text_n, ret, &why);
}

static int token_of(const json_t *o, const struct tlog_proof *p, const char *ca, int64_t *ret,
		    char *err, size_t err_len)
{
	const char *text = json_string_value(json_object_get(o, "token"));
	_cleanup_free_ uint8_t *der = malloc(TIMESTAMP_MAX);
	long n;

	if (!der)
		return -ENOMEM;
	n = text ? base64_decode(text, strlen(text), der, TIMESTAMP_MAX) : -1;
	if (n < 0)
		return wrong(err, err_len, "no time stamp");
	return timestamp_check(der, n, p->note, p->note_n, NULL, ca, ret, err, err_len);
}

int stamped(const json_t *o, const char *ca, struct stamped *ret, char *err, size_t err_len)
{
	const char *text = json_string_value(json_object_get(o, "proof")), *why = "",
		   *entry = json_string_value(json_object_get(o, "entry"));
	struct checkpoint log, of;
	struct tree_hash leaf;
	struct tlog_proof p;
	uint8_t extra[64];
	int r;

	if (!text || !entry ||
	    tlog_proof_parse(text, strlen(text), &p, extra, sizeof(extra), &why) ||
	    !read_checkpoint(p.note, p.note_n, &log) || !read_checkpoint(entry, strlen(entry), &of))
		return wrong(err, err_len, "not a stamped checkpoint with its proof");
	tree_leaf(entry, strlen(entry), &leaf);
	if (!tree_inclusion_ok(p.index, &leaf, log.size, &log.root, p.path, p.n))
		return wrong(err, err_len, "the checkpoint is not in the log that was stamped");
	r = token_of(o, &p, ca, &ret->unix_s, err, err_len);
	if (r)
		return r;
	ret->entry = entry;
	ret->size = of.size;
	return 0;
}
