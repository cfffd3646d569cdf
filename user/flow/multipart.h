/* SPDX-License-Identifier: Apache-2.0 */
/* multipart/form-data (RFC 7578): parts of a form, in pieces of any size. */
#ifndef PROBITY_FLOW_MULTIPART_H
#define PROBITY_FLOW_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MULTIPART_BOUNDARY_MAX 70 /* RFC 2046 */
#define MULTIPART_LINE_MAX 512	  /* of a part's head; the rest of a longer line is not read */
#define MULTIPART_HEAD_MAX (16 * 1024)

struct multipart_part {
	bool file; /* it has a file name, perhaps an empty one */
	char name[64], filename[256], type[64];
};

struct multipart_sink {
	void (*begin)(void *ctx, const struct multipart_part *part);
	void (*data)(void *ctx, const uint8_t *p, size_t n);
	void (*end)(void *ctx, bool cut); /* cut: its end was not seen */
	void *ctx;
};

struct multipart {
	const struct multipart_sink *sink;
	unsigned state;
	bool open;
	char border[4 + MULTIPART_BOUNDARY_MAX]; /* CR LF - - boundary */
	size_t border_n, matched;
	char line[MULTIPART_LINE_MAX];
	size_t line_n, head_n;
	bool dash; /* after a border */
	struct multipart_part part;
};

/* content_type: the whole field. false: it is no form, or has no usable boundary. */
bool multipart_init(struct multipart *m, const struct multipart_sink *sink,
		    const char *content_type, size_t n);
void multipart_data(struct multipart *m, const uint8_t *p, size_t n);
void multipart_gap(struct multipart *m); /* bytes are missing here */
/* No more comes; gives whether the last border was seen. */
bool multipart_end(struct multipart *m);

#endif
