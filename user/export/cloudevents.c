// SPDX-License-Identifier: Apache-2.0
/*
 * CloudEvents 1.0, structured JSON: source = the chain, id = the sequence number, which together name
 * one record for ever; data = the record as `probity show --json` gives it, whose own "record" object
 * holds leaf hash and signature. Extension names are lower case letters and digits only, as the
 * specification asks.
 */
#include <inttypes.h>

#include "build.h"
#include "export.h"

int export_cloudevent(const struct export_context *c, const struct sealed *s, json_t **ret)
{
	char source[64], id[24], when[40], type[64], *p = source;
	struct build b = {0};
	json_t *o = json_object();

	p += sprintf(p, "urn:probity:chain:");
	for (size_t i = 0; i < 16; i++)
		p += sprintf(p, "%02x", s->head.chain[i]);
	snprintf(id, sizeof(id), "%" PRIu64, s->head.seq);
	snprintf(type, sizeof(type), "probity.v1.%s", render_kind(s));
	render_time(s->head.wall_ns, when);
	build_text(&b, o, "specversion", "1.0");
	build_text(&b, o, "id", id);
	build_text(&b, o, "source", source);
	build_text(&b, o, "type", type);
	build_text(&b, o, "time", when);
	build_text(&b, o, "subject", c->host);
	build_text(&b, o, "datacontenttype", "application/json");
	build_hex(&b, o, "leafhash", s->leaf, sizeof(s->leaf));
	build_set(&b, o, "data", render_json(s));
	return build_done(&b, o, ret);
}
