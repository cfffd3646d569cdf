// SPDX-License-Identifier: Apache-2.0
/*
 * In: all records in order. Out: which host, agent and kernel the next one is of. A record does not
 * repeat what its START says, so a view that begins behind one is without a host name until the next.
 */
#include <inttypes.h>
#include <string.h>

#include "export.h"
#include "record/printable.h"

void export_see(struct export_context *c, const struct sealed *s)
{
	if (c->chain_known && memcmp(c->chain, s->head.chain, sizeof(c->chain))) {
		memset(c->host, 0, sizeof(c->host));
		c->agent_version[0] = c->kernel[0] = '\0';
		c->authority_known = false;
	}
	memcpy(c->chain, s->head.chain, sizeof(c->chain));
	c->chain_known = true;
	if (!s->control || s->control->kind != PROBITY__V1__CONTROL__KIND__START)
		return;
	printable_copy(c->host, sizeof(c->host), s->control->host);
	printable_copy(c->agent_version, sizeof(c->agent_version), s->control->agent_version);
	printable_copy(c->kernel, sizeof(c->kernel), s->control->kernel);
	if (!s->head.seq && s->control->public_key.len == RECORD_PUBKEY_LEN) {
		memcpy(c->authority, s->control->public_key.data, RECORD_PUBKEY_LEN);
		c->authority_known = true;
	}
}

void export_uid(const uint8_t chain[static 16], uint64_t seq, char ret[static EXPORT_UID_LEN])
{
	char *p = ret + sprintf(ret, "probity:");

	for (size_t i = 0; i < 16; i++)
		p += sprintf(p, "%02x", chain[i]);
	sprintf(p, ":%" PRIu64, seq);
}
