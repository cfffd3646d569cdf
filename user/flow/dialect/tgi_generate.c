// SPDX-License-Identifier: Apache-2.0
/*
 * Hugging Face's text-generation-inference: one text in, one out; the server knows its model.
 *
 * {inputs, parameters} is also the shape of many a job queue, so one of TGI's own parameters is
 * asked for. Counts come in details, if those were asked for, and at the end of a stream; the size
 * of the prompt only there.
 */
#include "dialect.h"

/* clang-format off */
static const struct rule request[] = {
	{"stream", ON_BOOL, ACT_STREAM},
	{"inputs", ON_SOME, ACT_MESSAGE, FROM_PROMPT},
	{"inputs", ON_SOME, ACT_SEEN, Q_INPUTS},
	{"parameters.max_new_tokens", ON_NUMBER, ACT_SEEN, Q_TGI},
	{"parameters.do_sample", ON_BOOL, ACT_SEEN, Q_TGI},
	{"parameters.return_full_text", ON_BOOL, ACT_SEEN, Q_TGI},
	{"parameters.decoder_input_details", ON_BOOL, ACT_SEEN, Q_TGI},
	{"parameters.repetition_penalty", ON_NUMBER, ACT_SEEN, Q_TGI},
	{0},
};

static const struct rule response[] = {
	{"token.text", ON_SOME, ACT_TOKEN},
	{"token.logprob", ON_NUMBER, ACT_SEEN, R_TOKEN},
	{"generated_text", ON_SOME | ON_NULL, ACT_SEEN, R_GENERATED},
	{"details", ON_OBJECT, ACT_LAST},
	{"details.finish_reason", ON_TEXT, ACT_FINISH},
	{"details.generated_tokens", ON_NUMBER, ACT_COUNT, RAW_OUTPUT},
	{"details.input_length", ON_NUMBER, ACT_COUNT, RAW_INPUT},
	{"error_type", ON_TEXT, ACT_ERROR, 3},
	RULES_ERROR,
	{0},
};
/* clang-format on */

static enum fit asks(uint64_t seen, bool by_path)
{
	return by_path && saw(seen, Q_INPUTS) && saw(seen, Q_TGI) ? FIT_CLEAR : FIT_NOT;
}

static enum fit answers(uint64_t seen)
{
	return saw(seen, R_TOKEN) && saw(seen, R_GENERATED) ? FIT_CLEAR : FIT_NOT;
}

static void count(const int64_t raw[RAW__MAX], bool open, struct tokens *t)
{
	t->input = raw[RAW_INPUT];
	t->output = raw[RAW_OUTPUT];
}

static const struct dialect_path paths[] = {
	{"/generate", true},
	{"/generate_stream", true},
	{0},
};

const struct dialect_def dialect_tgi_generate = {
	.id = DIALECT_TGI_GENERATE,
	.paths = paths,
	.request = request,
	.response = response,
	.asks = asks,
	.answers = answers,
	.count = count,
	.message_sources = 1 << FROM_PROMPT,
	.always_delta = true,
};
