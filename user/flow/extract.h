/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies in, facts out: reads the JSON documents of one exchange into an interaction. A plain JSON
 * body is one document; each SSE event and each NDJSON line is one more. Documents may be
 * cut anywhere and come in pieces of any size; what was readable before the cut counts.
 *
 * The dialect may be known (from the path) or found from the shape of the request or the answer.
 */
#ifndef PROBITY_FLOW_EXTRACT_H
#define PROBITY_FLOW_EXTRACT_H

#include "interaction.h"

enum extract_side { EXTRACT_REQUEST, EXTRACT_RESPONSE };

struct extract;
struct extract *extract_new(struct interaction *it); /* NULL when out of memory */
void extract_free(struct extract *x);

/* `event`: SSE event name or NULL. `ns`: time of the bytes, for first_token_ns. */
void extract_begin(struct extract *x, enum extract_side side, const char *event);
/* Each side may have a document open at the same time (an answer may overtake its request):
 * which one data and end are for. begin selects its side; end goes back to the other if open. */
void extract_select(struct extract *x, enum extract_side side);
/* 0, or -EBADMSG once the document is not JSON (further bytes of it are ignored). */
int extract_data(struct extract *x, const uint8_t *p, size_t n, uint64_t ns);
/* cut: the document did not reach its end. */
void extract_end(struct extract *x, bool cut);

/* What carries the documents has told the dialect: no body is asked. */
void extract_speaks(struct extract *x, enum dialect d);
/* A request that is a form: its short fields one by one (n bytes of value, perhaps cut). */
void extract_field(struct extract *x, const char *name, const char *value, size_t n);
void extract_form_end(struct extract *x, bool whole);
/* Takes the %XX out of a text, in place; %00 stays. */
void extract_unescape(char *s);

/* "[DONE]" or a dialect's own last event was seen: the stream is whole even if the transport
 * never says so. */
bool extract_stream_done(const struct extract *x);
/* Dialect by the request's path alone; NONE if it says nothing. Suffix match: prefixes vary. */
enum dialect extract_dialect_by_path(const char *method, const char *path);

#endif
