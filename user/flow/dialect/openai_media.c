// SPDX-License-Identifier: Apache-2.0
/*
 * OpenAI's audio and image endpoints: JSON, or multipart/form-data with the model in a field of
 * its own (multipart.c). What is sent and answered are files; read are the model and the usage,
 * whose fields are those of Responses.
 */
#include "dialect.h"

/* clang-format off */
static const struct rule request[] = {
	{"model", ON_TEXT, ACT_REQUEST_MODEL},
	{"stream", ON_BOOL, ACT_STREAM},
	{"input", ON_SOME, ACT_SEEN, Q_INPUT},
	{"prompt", ON_SOME, ACT_SEEN, Q_PROMPT},
	{"prompt", ON_SOME, ACT_MESSAGE, FROM_PROMPT},
	{0},
};

static const struct rule response[] = {
	{"usage.input_tokens", ON_NUMBER, ACT_COUNT, RAW_INPUT},
	{"usage.output_tokens", ON_NUMBER, ACT_COUNT, RAW_OUTPUT},
	{"delta", ON_SOME, ACT_TOKEN},
	{"type", ON_TEXT, ACT_LAST, 0, "transcript.text.done"},
	{"type", ON_TEXT, ACT_LAST, 0, "speech.audio.done"},
	{"type", ON_TEXT, ACT_LAST, 0, "image_generation.completed"},
	{"type", ON_TEXT, ACT_LAST, 0, "image_edit.completed"},
	RULES_ERROR,
	{0},
};
/* clang-format on */

static enum fit speaks(uint64_t seen, bool by_path)
{
	return by_path && saw(seen, Q_MODEL) && saw(seen, Q_INPUT) ? FIT_AGREES : FIT_NOT;
}

static enum fit draws(uint64_t seen, bool by_path)
{
	return by_path && saw(seen, Q_PROMPT) ? FIT_AGREES : FIT_NOT;
}

static enum fit answers(uint64_t seen)
{
	return FIT_NOT;
}

static void count(const int64_t raw[RAW__MAX], bool open, struct tokens *t)
{
	t->input = raw[RAW_INPUT];
	t->output = raw[RAW_OUTPUT];
}

static const struct dialect_path audio[] = {
	{"/audio/transcriptions", false},
	{"/audio/translations", false},
	{"/audio/speech", false},
	{0},
};

static const struct dialect_path images[] = {
	{"/images/generations", false},
	{"/images/edits", false},
	{"/images/variations", false},
	{0},
};

const struct dialect_def dialect_openai_audio = {
	.id = DIALECT_OPENAI_AUDIO,
	.paths = audio,
	.request = request,
	.response = response,
	.asks = speaks,
	.answers = answers,
	.count = count,
	.only_by_path = true,
};

const struct dialect_def dialect_openai_images = {
	.id = DIALECT_OPENAI_IMAGES,
	.paths = images,
	.request = request,
	.response = response,
	.asks = draws,
	.answers = answers,
	.count = count,
	.message_sources = 1 << FROM_PROMPT,
	.only_by_path = true,
};
