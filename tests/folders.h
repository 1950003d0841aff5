/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Folders of files, shared by the tests of runs. */

/* A new empty folder. */
char    *test_folder_new    (void);
/* One in another folder. */
char    *test_folder_new_in (const char  *parent);
/* Deletes a folder and all in it. */
void     test_folder_delete (const char  *path);
/* How many entries it has. */
guint    test_folder_count  (const char  *path);
/* Their names, sorted, with a space between them. */
char    *test_folder_list   (const char  *path);
/* A new file in the place of what was there, whose other names keep what they had. n_bytes -1: text. */
void     test_file_write    (const char  *folder,
                             const char  *name,
                             const char  *bytes,
                             gssize       n_bytes);
/* n_bytes may be NULL. */
char    *test_file_read     (const char  *folder,
                             const char  *name,
                             gsize       *n_bytes);
gboolean test_file_ends     (const char  *folder,
                             const char  *name,
                             const char  *end);
/* SHA-256 in hexadecimal. */
char    *test_file_hash     (const char  *folder,
                             const char  *name);

G_END_DECLS
