// SPDX-License-Identifier: Apache-2.0
/*
 * Payload messages in, list rows out. The same payload always gives the same row, byte for byte:
 * `check` rebuilds each row from the signed bytes and compares. The rows are a convenience, the
 * record is the truth; a text longer than its column is cut here and whole there.
 */
#include "rows.h"

#include <string.h>

#include "record/printable.h"

#define COPY(dst, src) printable_copy((dst), sizeof(dst), (src))

/* Unsigned numbers of the wire beyond what a signed column holds stay at its maximum. */
static int64_t number(uint64_t v)
{
	return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

static double share(double v)
{
	return !(v > 0) ? 0 : v > 1 ? 1 : v;
}

static void usage(const Probity__V1__Usage *u, struct store_call *ret)
{
	ret->input_tokens = ret->output_tokens = STORE_UNKNOWN;
	if (!u)
		return;
	if (u->has_input_tokens_case)
		ret->input_tokens = u->input_tokens;
	if (u->has_output_tokens_case)
		ret->output_tokens = u->output_tokens;
}

static void decision(const Probity__V1__Decision *d, struct store_call *ret)
{
	char policy[2 * STORE_TEXT_LEN];

	if (!d)
		return;
	if (d->policy_set[0]) {
		snprintf(policy, sizeof(policy), "%.100s %.100s", d->policy_set, d->policy_version);
		COPY(ret->policy, policy);
	}
	COPY(ret->disposition, d->disposition);
	COPY(ret->effect, d->effect);
	ret->risk = share(d->risk_score);
}

void rows_call(const Probity__V1__AiCall *c, const char *host, struct store_call *ret)
{
	_cleanup_free_ char *classes = render_classes(c);
	const Probity__V1__Process *p = c->process;

	/* Unused tails are zero, so that equal rows are equal memory. */
	memset(ret, 0, sizeof(*ret));
	ret->time_ns = number(c->start_unix_ns);
	COPY(ret->host, host);
	COPY(ret->user, p ? p->user : "");
	ret->uid = p ? (int64_t)p->uid : STORE_UNKNOWN;
	ret->pid = p ? (int64_t)p->pid : STORE_UNKNOWN;
	COPY(ret->exe, p ? p->exe : "");
	COPY(ret->tool, c->tool ? c->tool->id : "");
	COPY(ret->service, c->service ? c->service->id : "");
	ret->service_known = c->service && c->service->known;
	COPY(ret->model, c->response_model[0] ? c->response_model : c->request_model);
	COPY(ret->operation, c->operation[0] ? c->operation : c->operation_name);
	COPY(ret->dialect, c->dialect);
	COPY(ret->server, c->server_address);
	ret->http_status = c->http_status ? (int64_t)c->http_status : STORE_UNKNOWN;
	usage(c->usage, ret);
	ret->tool_calls = c->tool_calls_count;
	COPY(ret->data_classes, classes);
	decision(c->decision, ret);
	COPY(ret->completeness, c->completeness);
	COPY(ret->incomplete_reason, c->incomplete_reason);
}

void rows_control(const Probity__V1__Control *c, struct store_control *ret)
{
	memset(ret, 0, sizeof(*ret));
	COPY(ret->kind, render_control_kind(c));
	COPY(ret->reason, c->reason);
	COPY(ret->what, c->what);
	ret->count = number(c->count);
	COPY(ret->cause, c->cause);
}
