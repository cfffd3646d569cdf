/* SPDX-License-Identifier: Apache-2.0 */
/* Files that survive a power cut: temp, fsync, rename, fsync the directory. */
#ifndef PROBITY_BASE_FS_H
#define PROBITY_BASE_FS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* All 0 or -errno. */
int fs_write_all(int fd, const void *p, size_t n);
int fs_write_atomic(const char *path, const void *p, size_t n, mode_t mode);
/* The same in a directory that is open, whose path the caller may have no right to. */
int fs_write_atomic_at(int dir, const char *name, const void *p, size_t n, mode_t mode);
int fs_fsync_parent(const char *path);
int fs_mkdirs(const char *path, mode_t mode); /* with parents; existing is fine */
/* Whole file, NUL added after *ret_n bytes; -EFBIG over max. Caller frees. */
int fs_read(const char *path, size_t max, char **ret, size_t *ret_n);
int fs_read_fd(int fd, size_t max, char **ret, size_t *ret_n);

#endif
