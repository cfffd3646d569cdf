// SPDX-License-Identifier: Apache-2.0
/*
 * An item of the period in; per control of the framework the number of records it rests on, what was
 * exceptional among them, and a sample. The sample is of those with the smallest
 * SHA-256(control id ‖ 0x00 ‖ leaf): nobody chooses it, and anybody who has the records can find it again.
 */
#include <string.h>

#include "base/sha256.h"
#include "record/printable.h"
#include "tally.h"

static void score(const char *id, const uint8_t leaf[static RECORD_HASH_LEN],
		  uint8_t ret[static 32])
{
	uint8_t in[64 + RECORD_HASH_LEN];
	size_t n = strnlen(id, 63);

	memcpy(in, id, n);
	in[n++] = 0;
	memcpy(in + n, leaf, RECORD_HASH_LEN);
	sha256(in, n + RECORD_HASH_LEN, ret);
}

static void sample(struct tally *t, size_t i, const struct item *it)
{
	struct tally_control *c = &t->control[i];
	struct tally_sample s = {.source = t->sources - 1,
				 .seq = it->rec->head.seq,
				 .wall_ns = it->rec->head.wall_ns,
				 .kind = render_kind(it->rec)};
	_cleanup_free_ char *line = NULL;
	size_t at = c->samples;

	score(t->fw->controls[i].id, it->rec->leaf, s.score);
	while (at && memcmp(s.score, c->sample[at - 1].score, sizeof(s.score)) < 0)
		at--;
	if (at == TALLY_SAMPLES)
		return;
	memcpy(s.leaf, it->rec->leaf, sizeof(s.leaf));
	line = render_line(it->rec);
	printable_copy(s.line, sizeof(s.line), line && line[0] == ' ' ? line + 1 : line);
	if (c->samples < TALLY_SAMPLES)
		c->samples++;
	memmove(c->sample + at + 1, c->sample + at, (c->samples - at - 1) * sizeof(s));
	c->sample[at] = s;
}

static bool attributed(const struct item *it, const char *control)
{
	const Probity__V1__Decision *d = it->decision;

	for (size_t i = 0; d && it->violated && i < d->n_controls; i++)
		if (!strcmp(d->controls[i], control))
			return true;
	return false;
}

void tally_controls(struct tally *t, const struct item *it)
{
	const Probity__V1__Decision *d = it->decision;

	for (size_t i = 0; i < t->fw->n; i++) {
		struct tally_control *c = &t->control[i];

		if (!(t->fw->controls[i].sorts & it->sorts))
			continue;
		c->records++;
		c->events += it->weight;
		c->denials += it->sorts >> SORT_DENIAL & 1 ? it->weight : 0;
		c->approvals += it->sorts >> SORT_APPROVAL & 1;
		c->violations += it->violated ? it->weight : 0;
		c->attributed += attributed(it, t->fw->controls[i].id) ? it->weight : 0;
		c->refused += it->refused ? it->weight : 0;
		c->would += d && !strncmp(d->effect, "would_", 6) ? it->weight : 0;
		c->overrides += it->sorts >> SORT_OVERRIDE & 1 ? it->weight : 0;
		c->incomplete += (it->sorts & (1u << SORT_CALL | 1u << SORT_MCP)) &&
				 it->whole != WHOLE_COMPLETE && it->whole != WHOLE_REFUSED;
		sample(t, i, it);
	}
}
