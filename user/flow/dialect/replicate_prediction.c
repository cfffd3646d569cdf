// SPDX-License-Identifier: Apache-2.0
/*
 * Replicate: a prediction is made, and answered with its state; when the client waits for it, with
 * its output and metrics. What is fetched later (polling, the stream at another host) are GET
 * requests of their own, which are not read here.
 *
 * The model is in the path, or its version in the body. Inputs are each model's own; those that
 * language models share are read.
 */
#include "dialect.h"

/* clang-format off */
static const struct rule request[] = {
	{"version", ON_TEXT, ACT_REQUEST_MODEL, Q_VERSION},
	{"stream", ON_BOOL, ACT_STREAM},
	{"input", ON_OBJECT, ACT_SEEN, Q_INPUT_OBJECT},
	{"input.prompt", ON_SOME, ACT_MESSAGE, FROM_NESTED},
	{"input.prompt", ON_SOME, ACT_SEEN, Q_NESTED},
	{"input.messages[*]", ON_OBJECT, ACT_MESSAGE, FROM_NESTED},
	{"input.messages[*].role", ON_TEXT, ACT_SEEN, Q_NESTED},
	{0},
};

static const struct rule response[] = {
	{"id", ON_TEXT, ACT_RESPONSE_ID},
	{"model", ON_TEXT, ACT_RESPONSE_MODEL},
	{"version", ON_TEXT, ACT_RESPONSE_OTHER},
	{"status", ON_TEXT, ACT_FINISH, 0, "succeeded"},
	{"status", ON_TEXT, ACT_FINISH, 0, "failed"},
	{"status", ON_TEXT, ACT_FINISH, 0, "canceled"},
	{"metrics.input_token_count", ON_NUMBER, ACT_COUNT, RAW_INPUT},
	{"metrics.output_token_count", ON_NUMBER, ACT_COUNT, RAW_OUTPUT},
	{"detail", ON_SOME, ACT_ERRED},
	{"title", ON_TEXT, ACT_ERROR, 1},
	RULES_ERROR,
	{0},
};
/* clang-format on */

static enum fit asks(uint64_t seen, bool by_path)
{
	return by_path && saw(seen, Q_INPUT_OBJECT) && (saw(seen, Q_VERSION) || saw(seen, Q_NESTED))
		       ? FIT_AGREES
		       : FIT_NOT;
}

static enum fit answers(uint64_t seen)
{
	return FIT_NOT; /* a job that can be fetched and cancelled is anybody's */
}

static void count(const int64_t raw[RAW__MAX], bool open, struct tokens *t)
{
	t->input = raw[RAW_INPUT];
	t->output = raw[RAW_OUTPUT];
}

static const struct dialect_path paths[] = {
	{"/v1/predictions", true},
	{"/v1/models/*/predictions", true},
	{"/v1/deployments/*/predictions", true},
	{0},
};

const struct dialect_def dialect_replicate_prediction = {
	.id = DIALECT_REPLICATE_PREDICTION,
	.paths = paths,
	.request = request,
	.response = response,
	.asks = asks,
	.answers = answers,
	.count = count,
	.message_sources = 1 << FROM_NESTED,
	.only_by_path = true,
};
