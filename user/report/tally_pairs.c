// SPDX-License-Identifier: Apache-2.0
/*
 * An item in, counted in the tables of what went with what: who used which service, which class of data
 * went to whom, which tool spoke to which model from which host, which versions were met. A key joins the
 * names with " · "; each is cut so that all of them fit. Full: as every table of the tally.
 */
#include <string.h>

#include "record/printable.h"
#include "tally.h"

#define PART_MAX 80

static void join(char key[static ROLL_KEY_MAX], const char *text)
{
	char part[PART_MAX];
	size_t n = strlen(key);

	if (text && text[0] && printable_copy(part, sizeof(part), text))
		snprintf(key + n, ROLL_KEY_MAX - n, "%s%s", n ? " · " : "", part);
}

void tally_flow(const struct item *it, const char *host, char ret[static ROLL_KEY_MAX])
{
	ret[0] = '\0';
	join(ret, it->tool);
	join(ret, it->service);
	join(ret, it->model);
	join(ret, host);
	join(ret, it->server);
}

static struct row *pair(struct tally *t, enum dim d, const char *a, const char *b,
			const struct item *it, bool within)
{
	char key[ROLL_KEY_MAX] = "";

	join(key, a);
	join(key, b);
	return tally_count(t, d, key, it, within);
}

/* Of a request: what an answer brought went to nobody. */
static void sent(struct tally *t, const struct item *it, bool within)
{
	const Probity__V1__AiCall *c = it->rec->call;

	for (size_t i = 0; i < c->n_data_classes; i++) {
		const Probity__V1__DataClass *d = c->data_classes[i];
		struct row *r =
			d->request ? pair(t, DIM_SENT, d->id, it->supplier, it, within) : NULL;

		if (r && within)
			r->values += d->request;
	}
}

void tally_pairs(struct tally *t, const struct item *it, const char *host, bool within)
{
	const Probity__V1__AiCall *c = it->rec->call;
	const Probity__V1__McpCall *m = it->rec->mcp;
	char key[ROLL_KEY_MAX];

	tally_flow(it, host, key);
	tally_count(t, DIM_FLOW, key, it, within);
	if (it->service[0] || it->server)
		pair(t, DIM_ACCESS, it->user[0] ? it->user : "(not known)",
		     it->server ?: it->service, it, within);
	if (c) {
		sent(t, it, within);
		if (c->user_agent[0])
			pair(t, DIM_VERSION, it->tool, c->user_agent, it, within);
	}
	if (m && m->server_version[0])
		pair(t, DIM_VERSION, it->server, m->server_version, it, within);
}
