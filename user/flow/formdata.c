// SPDX-License-Identifier: Apache-2.0
/*
 * Parts of a form in. Short fields go to extract, what people can read goes to text() for data
 * classes, and of a file the record has its name, type and size, never its content.
 *
 * Bounds: the first FIELD_MAX bytes of a field; UPLOADS_MAX files by name, further ones counted.
 */
#include "formdata.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "multipart.h"

#define FIELD_MAX 256

struct formdata {
	const struct body_out *out;
	struct multipart parts;
	struct multipart_sink sink;
	const struct multipart_part *part;
	struct upload *upload; /* NULL: a field, or one file too many */
	bool text;
	char field[FIELD_MAX];
	size_t field_n;
};

/* The name alone: folders of the sender's are nobody's business. */
static const char *base_name(const char *path)
{
	const char *name = path;

	for (const char *c = path; *c; c++)
		if (*c == '/' || *c == '\\')
			name = c + 1;
	return name;
}

static void on_begin(void *ctx, const struct multipart_part *part)
{
	struct formdata *f = ctx;
	struct interaction *it = f->out->it;

	f->part = part;
	f->field_n = 0;
	f->upload = NULL;
	f->text = !strncasecmp(part->type, "text/", 5) ||
		  !strncasecmp(part->type, "application/json", 16) || (!part->file && !*part->type);
	if (!part->file)
		return;
	if (it->uploads_count < UPLOADS_MAX) {
		const char *name = base_name(part->filename);

		f->upload = &it->uploads[it->uploads_count];
		TEXT_SET(f->upload->name, name, strlen(name));
		TEXT_SET(f->upload->type, part->type, strlen(part->type));
	}
	it->uploads_count++;
}

static void on_data(void *ctx, const uint8_t *p, size_t n)
{
	struct formdata *f = ctx;
	size_t room = sizeof(f->field) - f->field_n;

	if (f->text)
		f->out->ops->text(f->out->ctx, f->out->it, f->out->dir, p, n);
	if (f->upload)
		f->upload->size += n;
	if (f->part->file)
		return;
	if (room > n)
		room = n;
	memcpy(f->field + f->field_n, p, room);
	f->field_n += room;
}

static void on_end(void *ctx, bool cut)
{
	struct formdata *f = ctx;

	if (!f->part->file && !cut)
		extract_field(f->out->extract, f->part->name, f->field, f->field_n);
	f->upload = NULL;
}

struct formdata *formdata_new(const struct body_out *out, struct slice content_type)
{
	struct formdata *f = out->dir == FLOW_REQUEST ? calloc(1, sizeof(*f)) : NULL;

	if (!f)
		return NULL;
	f->out = out;
	f->sink = (struct multipart_sink){on_begin, on_data, on_end, f};
	if (multipart_init(&f->parts, &f->sink, content_type.p, content_type.n))
		return f;
	free(f);
	return NULL;
}

void formdata_free(struct formdata *f)
{
	free(f);
}

void formdata_data(struct formdata *f, const uint8_t *p, size_t n)
{
	multipart_data(&f->parts, p, n);
}

void formdata_gap(struct formdata *f)
{
	multipart_gap(&f->parts);
}

bool formdata_end(struct formdata *f)
{
	bool whole = multipart_end(&f->parts);

	extract_form_end(f->out->extract, whole);
	return whole;
}
