/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include <libreformer/compute/reformer-version.h>

#ifndef _REFORMER_EXTERN
#ifdef REFORMER_COMPILATION
#define _REFORMER_EXTERN __attribute__ ((visibility ("default"))) extern
#else
#define _REFORMER_EXTERN extern
#endif
#endif

#define REFORMER_VERSION_1_0 (G_ENCODE_VERSION (1, 0))

/**
 * REFORMER_VERSION_MIN_REQUIRED:
 *
 * Define it to a `REFORMER_VERSION_X_Y` before including the headers to be warned of what that version already deprecated.
 */
#ifndef REFORMER_VERSION_MIN_REQUIRED
#define REFORMER_VERSION_MIN_REQUIRED REFORMER_VERSION_1_0
#endif

/**
 * REFORMER_VERSION_MAX_ALLOWED:
 *
 * Define it to a `REFORMER_VERSION_X_Y` before including the headers to be warned of what came after that version.
 */
#ifndef REFORMER_VERSION_MAX_ALLOWED
#define REFORMER_VERSION_MAX_ALLOWED REFORMER_VERSION_1_0
#endif

#define REFORMER_AVAILABLE_IN_ALL _REFORMER_EXTERN

#if REFORMER_VERSION_MAX_ALLOWED < REFORMER_VERSION_1_0
#define REFORMER_AVAILABLE_IN_1_0 G_UNAVAILABLE (1, 0) _REFORMER_EXTERN
#else
#define REFORMER_AVAILABLE_IN_1_0 _REFORMER_EXTERN
#endif
