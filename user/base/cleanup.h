/* SPDX-License-Identifier: Apache-2.0 */
/* Ownership you can see: _cleanup_x_ on a local frees it at scope end, TAKE_PTR hands it on. */
#ifndef PROBITY_BASE_CLEANUP_H
#define PROBITY_BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

static inline void cleanup_freep(void *p)
{
	free(*(void **)p);
}
static inline void cleanup_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
static inline void cleanup_fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}
#define _cleanup_free_ _cleanup_(cleanup_freep)
#define _cleanup_close_ _cleanup_(cleanup_closep)
#define _cleanup_fclose_ _cleanup_(cleanup_fclosep)

#define TAKE_PTR(p)                   \
	({                            \
		__auto_type p_ = (p); \
		(p) = NULL;           \
		p_;                   \
	})
#define TAKE_FD(fd)            \
	({                     \
		int f_ = (fd); \
		(fd) = -1;     \
		f_;            \
	})

/* DEFINE_CLEANUP(struct spool, spool_free) makes `_cleanup_(spool_freep) struct spool *s`. */
#define DEFINE_CLEANUP(type, fn)            \
	static inline void fn##p(type **p_) \
	{                                   \
		if (*p_)                    \
			fn(*p_);            \
	}

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
