/* SPDX-License-Identifier: Apache-2.0 */
/* Which file is it: its key in the kernel's maps, its path, its package. */
#ifndef PROBITY_AGENT_EXEC_IDENT_H
#define PROBITY_AGENT_EXEC_IDENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "proto/gate.h"

/* As the kernel has it: the device of the file system, which stat(2) does not always tell. */
struct exec_key exec_key_of(int fd, const struct stat *st);
uint64_t exec_ctime_ns(const struct stat *st);
/* Where an open file lies now. False: nowhere. */
bool exec_path_of(int fd, char *ret, size_t cap);
/* Whether that path, on this host and in no container, leads to this file. */
bool exec_path_is(const char *path, const struct stat *st);
/* A path that a process gave, in its own view: absolute, relative to its folder, or /dev/fd/N.
 * A regular file open for reading, or -errno. */
int exec_open_as(uint32_t pid, const char *path);
/* The package.json of a script: in its folder or one above. An open file, or -1. */
int exec_package_json(const char *path);

/* Debian's package of a program, "" if none: what dpkg's lists say, read once and again when they
 * change. */
const char *exec_debian_package(const char *path);
/* The Python package a console script or a module of a virtual environment is of. module: what the
 * script is a door to. False: not known. */
bool exec_python_package(const char *script, const char *module, char ret[static 127]);
/* The modules that a package brings in one folder of packages, or (site NULL) in all that every
 * interpreter of the host sees. name: in PyPI's form. How many; package.h has the bound. */
size_t exec_python_modules(const char *site, const char *name, char (*ret)[127]);
/* `python -m module`: the file that runs, for that interpreter. False: not found. */
bool exec_python_module(const char *exe, const char *module, char *ret, size_t cap);

#endif
