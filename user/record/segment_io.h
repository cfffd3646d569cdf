/* SPDX-License-Identifier: Apache-2.0 */
/* Reading segment files frame by frame, with one bounded window; their names and their order. */
#ifndef PROBITY_RECORD_SEGMENT_IO_H
#define PROBITY_RECORD_SEGMENT_IO_H

#include "segment.h"

#define SEGMENT_NAME_LEN 24 /* 20 digits and ".seg" */
void segment_name(uint64_t seq, char ret[static SEGMENT_NAME_LEN + 1]);
bool segment_name_parse(const char *s, uint64_t *ret);
/* First sequence numbers of the segments in a directory, ascending; caller frees. 0 or -errno.
 * ret_bytes: the size of all of them, may be NULL. */
int segment_list(int dir_fd, uint64_t **ret, size_t *ret_n, uint64_t *ret_bytes);

enum segment_answer {
	SEGMENT_END = 0, /* the file ends after a whole frame */
	SEGMENT_FRAME,	 /* a frame with a right CRC */
	SEGMENT_TORN,	 /* from `offset` on: an incomplete frame, or only zeros */
	SEGMENT_BAD,	 /* from `offset` on: no frame; `why` says what is wrong */
	SEGMENT_IO,	 /* not readable; `error` is the errno */
};
#define SEGMENT_WINDOW (192 * 1024) /* more than two of the largest frames */
struct segment_reader {
	uint64_t offset; /* of the frame last given, or of what is wrong */
	uint64_t bytes;	 /* read from the file so far */
	const char *why;
	int error;
	struct frame frame; /* valid until the next call */
	/* private */
	int fd;
	uint64_t at; /* offset of window[0] */
	size_t len, pos;
	uint8_t window[SEGMENT_WINDOW];
};
/* fd stays the caller's. */
void segment_read(struct segment_reader *r, int fd, uint64_t offset);
enum segment_answer segment_next(struct segment_reader *r);
/* Behind something bad: to the next place where a frame with a right CRC begins, or the end. */
void segment_resync(struct segment_reader *r);

#endif
