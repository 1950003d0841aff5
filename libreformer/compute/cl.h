/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 120
#endif

#include <CL/cl.h>
#include <glib.h>

G_BEGIN_DECLS

/* Every OpenCL call of the library, one function each with OpenCL's own meaning, so that one file can count calls and make them fail. */

cl_int           reformer_cl_get_platform_ids        (cl_uint                n_entries,
                                                      cl_platform_id        *platforms,
                                                      cl_uint               *n_platforms);
cl_int           reformer_cl_get_platform_info       (cl_platform_id         platform,
                                                      cl_platform_info       what,
                                                      gsize                  size,
                                                      gpointer               value,
                                                      gsize                 *size_needed);
cl_int           reformer_cl_get_device_ids          (cl_platform_id         platform,
                                                      cl_device_type         type,
                                                      cl_uint                n_entries,
                                                      cl_device_id          *devices,
                                                      cl_uint               *n_devices);
cl_int           reformer_cl_get_device_info         (cl_device_id           device,
                                                      cl_device_info         what,
                                                      gsize                  size,
                                                      gpointer               value,
                                                      gsize                 *size_needed);

cl_context       reformer_cl_create_context          (cl_platform_id         platform,
                                                      cl_device_id           device,
                                                      cl_int                *code);
cl_int           reformer_cl_release_context         (cl_context             context);
cl_command_queue reformer_cl_create_queue            (cl_context             context,
                                                      cl_device_id           device,
                                                      cl_command_queue_properties properties,
                                                      cl_int                *code);
cl_int           reformer_cl_release_queue           (cl_command_queue       queue);
cl_int           reformer_cl_flush                   (cl_command_queue       queue);
cl_int           reformer_cl_finish                  (cl_command_queue       queue);

cl_mem           reformer_cl_create_buffer           (cl_context             context,
                                                      cl_mem_flags           flags,
                                                      gsize                  size,
                                                      gpointer               host,
                                                      cl_int                *code);
cl_int           reformer_cl_release_buffer          (cl_mem                 buffer);
cl_int           reformer_cl_enqueue_read            (cl_command_queue       queue,
                                                      cl_mem                 buffer,
                                                      gsize                  offset,
                                                      gsize                  size,
                                                      gpointer               to,
                                                      cl_event              *event);
cl_int           reformer_cl_enqueue_write           (cl_command_queue       queue,
                                                      cl_mem                 buffer,
                                                      gsize                  offset,
                                                      gsize                  size,
                                                      gconstpointer          from,
                                                      cl_event              *event);
cl_int           reformer_cl_enqueue_copy            (cl_command_queue       queue,
                                                      cl_mem                 from,
                                                      cl_mem                 to,
                                                      gsize                  from_offset,
                                                      gsize                  to_offset,
                                                      gsize                  size,
                                                      cl_event              *event);
cl_int           reformer_cl_enqueue_fill            (cl_command_queue       queue,
                                                      cl_mem                 buffer,
                                                      gconstpointer          pattern,
                                                      gsize                  pattern_size,
                                                      gsize                  offset,
                                                      gsize                  size,
                                                      cl_event              *event);

cl_program       reformer_cl_create_program          (cl_context             context,
                                                      const char           **sources,
                                                      const gsize           *lengths,
                                                      guint                  n_sources,
                                                      cl_int                *code);
cl_program       reformer_cl_create_program_binary   (cl_context             context,
                                                      cl_device_id           device,
                                                      gconstpointer          binary,
                                                      gsize                  length,
                                                      cl_int                *code);
cl_int           reformer_cl_build_program           (cl_program             program,
                                                      cl_device_id           device,
                                                      const char            *options);
cl_int           reformer_cl_get_program_build_info  (cl_program             program,
                                                      cl_device_id           device,
                                                      cl_program_build_info  what,
                                                      gsize                  size,
                                                      gpointer               value,
                                                      gsize                 *size_needed);
cl_int           reformer_cl_get_program_info        (cl_program             program,
                                                      cl_program_info        what,
                                                      gsize                  size,
                                                      gpointer               value,
                                                      gsize                 *size_needed);
cl_int           reformer_cl_release_program         (cl_program             program);
cl_kernel        reformer_cl_create_kernel           (cl_program             program,
                                                      const char            *name,
                                                      cl_int                *code);
cl_int           reformer_cl_release_kernel          (cl_kernel              kernel);
cl_int           reformer_cl_get_kernel_group_info   (cl_kernel              kernel,
                                                      cl_device_id           device,
                                                      cl_kernel_work_group_info what,
                                                      gsize                  size,
                                                      gpointer               value,
                                                      gsize                 *size_needed);
cl_int           reformer_cl_set_kernel_arg          (cl_kernel              kernel,
                                                      guint                  index,
                                                      gsize                  size,
                                                      gconstpointer          value);
cl_int           reformer_cl_enqueue_kernel          (cl_command_queue       queue,
                                                      cl_kernel              kernel,
                                                      const gsize            global[3],
                                                      const gsize            local[3],
                                                      cl_event              *event);

cl_int           reformer_cl_enqueue_marker          (cl_command_queue       queue,
                                                      cl_event              *event);
cl_int           reformer_cl_wait_event              (cl_event               event);
cl_int           reformer_cl_get_event_profile       (cl_event               event,
                                                      cl_profiling_info      what,
                                                      guint64               *nanoseconds);
cl_int           reformer_cl_release_event           (cl_event               event);

/* The constant's name, "CL_OUT_OF_RESOURCES", or NULL for a code that OpenCL 1.2 does not have. */
const char      *reformer_cl_code_name               (cl_int                 code);
/* "What was tried: CONSTANT (number)" in the domain REFORMER_DEVICE_ERROR, with the code of ours that fits. */
void             reformer_set_cl_error               (GError               **error,
                                                      cl_int                 code,
                                                      const char            *format,
                                                      ...) G_GNUC_PRINTF (3, 4);

G_END_DECLS
