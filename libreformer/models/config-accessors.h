/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "models/config-private.h"

/* The getter and the setter of one setting; the documentation stands where the macro is used. */
#define ACCESSORS(type, name, NAME, change, nothing) \
  type \
  reformer_config_get_##name (ReformerConfig *self) \
  { \
    g_return_val_if_fail (REFORMER_IS_CONFIG (self), nothing); \
    return (type) self->name; \
  } \
  void \
  reformer_config_set_##name (ReformerConfig *self, \
                              type            name) \
  { \
    g_return_if_fail (REFORMER_IS_CONFIG (self)); \
    reformer_config_change_##change (self, REFORMER_CONFIG_##NAME, name); \
  }

#define BOOLEAN(name, NAME) ACCESSORS (gboolean, name, NAME, boolean, FALSE)
#define INT(name, NAME)     ACCESSORS (int, name, NAME, int, 0)
#define INT64(name, NAME)   ACCESSORS (gint64, name, NAME, int64, 0)
#define DOUBLE(name, NAME)  ACCESSORS (double, name, NAME, double, 0)
#define STRING(name, NAME)  ACCESSORS (const char *, name, NAME, string, NULL)
#define STRINGS(name, NAME) ACCESSORS (const char *const *, name, NAME, strings, NULL)

#define DOUBLES(name, NAME, length) \
  double * \
  reformer_config_get_##name (ReformerConfig *self, \
                              gsize          *length) \
  { \
    g_return_val_if_fail (REFORMER_IS_CONFIG (self), NULL); \
    if (length != NULL) \
      *length = self->name.n; \
    return self->name.n > 0 ? g_memdup2 (self->name.values, self->name.n * sizeof (double)) : NULL; \
  } \
  void \
  reformer_config_set_##name (ReformerConfig *self, \
                              const double   *name, \
                              gsize           length) \
  { \
    g_return_if_fail (REFORMER_IS_CONFIG (self)); \
    g_return_if_fail (length == 0 || name != NULL); \
    reformer_config_change_doubles (self, REFORMER_CONFIG_##NAME, name, length); \
  }

#define INTEGERS(name, NAME, n) \
  int * \
  reformer_config_get_##name (ReformerConfig *self, \
                              gsize          *n) \
  { \
    g_return_val_if_fail (REFORMER_IS_CONFIG (self), NULL); \
    return reformer_config_dup_integers (&self->name, n); \
  } \
  void \
  reformer_config_set_##name (ReformerConfig *self, \
                              const int      *name, \
                              gsize           n) \
  { \
    g_return_if_fail (REFORMER_IS_CONFIG (self)); \
    g_return_if_fail (n == 0 || name != NULL); \
    reformer_config_change_integers (self, REFORMER_CONFIG_##NAME, name, n); \
  }
