/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compute/device-state.h"

G_BEGIN_DECLS

/* Built programs on disk.
 *
 * Place:       $XDG_CACHE_HOME/reformer/kernels/KEY.bin, none with PoCL, which has a cache of its own; REFORMER_CACHE names another folder, or is `off`.
 * Key:         SHA-256 over format number, sources, options, and the device's name, vendor, driver version, device and platform version.
 * File:        8 bytes "RFMKERN\n", format number (uint32, little endian), 4 zero bytes, length (uint64, little endian), SHA-256 of the binary
 *              (32 bytes), the binary.
 * Concurrency: files are written beside and renamed, so that a reader sees a whole file or none; two processes may both build, the last one stays.
 * Failure:     a file that cannot be read, is damaged or is refused by the driver is deleted, and the program is built from source; a file that cannot
 *              be written is not there next time. Neither is an error.
 * Version:     REFORMER_PROGRAM_CACHE_FORMAT counts up when the file's layout or the meaning of the key changes. */
#define REFORMER_PROGRAM_CACHE_FORMAT 1

/* The file of a program, or NULL where the cache is off. */
char     *reformer_program_cache_path  (ReformerDevice  *device,
                                        const char     **sources,
                                        const gsize     *lengths,
                                        guint            n_sources,
                                        const char      *options);
/* NULL: not there, or damaged (then it is deleted). */
GBytes   *reformer_program_cache_load  (const char      *path);
void      reformer_program_cache_store (const char      *path,
                                        gconstpointer    binary,
                                        gsize            length);
void      reformer_program_cache_drop  (const char      *path);

/* FALSE with REFORMER_DEVICE_ERROR_NO_SPACE where a folder that this device's driver or we keep built kernels in has less than `bytes` of
 * free space. PoCL ends the process when it cannot write there, so it must not be asked. */
gboolean  reformer_program_cache_space (ReformerDevice  *device,
                                        guint64          bytes,
                                        GError         **error);

G_END_DECLS
