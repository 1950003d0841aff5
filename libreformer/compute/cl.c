/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compute/cl.h"

#include <libreformer/compute/reformer-device-error.h>

/* A loader without any driver gives this code; it belongs to cl_khr_icd. */
#ifndef CL_PLATFORM_NOT_FOUND_KHR
#define CL_PLATFORM_NOT_FOUND_KHR -1001
#endif

cl_int
reformer_cl_get_platform_ids (cl_uint         n_entries,
                              cl_platform_id *platforms,
                              cl_uint        *n_platforms)
{
  return clGetPlatformIDs (n_entries, platforms, n_platforms);
}

cl_int
reformer_cl_get_platform_info (cl_platform_id    platform,
                               cl_platform_info  what,
                               gsize             size,
                               gpointer          value,
                               gsize            *size_needed)
{
  return clGetPlatformInfo (platform, what, size, value, size_needed);
}

cl_int
reformer_cl_get_device_ids (cl_platform_id  platform,
                            cl_device_type  type,
                            cl_uint         n_entries,
                            cl_device_id   *devices,
                            cl_uint        *n_devices)
{
  return clGetDeviceIDs (platform, type, n_entries, devices, n_devices);
}

cl_int
reformer_cl_get_device_info (cl_device_id    device,
                             cl_device_info  what,
                             gsize           size,
                             gpointer        value,
                             gsize          *size_needed)
{
  return clGetDeviceInfo (device, what, size, value, size_needed);
}

cl_context
reformer_cl_create_context (cl_platform_id  platform,
                            cl_device_id    device,
                            cl_int         *code)
{
  const cl_context_properties properties[] = { CL_CONTEXT_PLATFORM, (cl_context_properties) platform, 0 };

  return clCreateContext (properties, 1, &device, NULL, NULL, code);
}

cl_int
reformer_cl_release_context (cl_context context)
{
  return clReleaseContext (context);
}

cl_command_queue
reformer_cl_create_queue (cl_context                   context,
                          cl_device_id                 device,
                          cl_command_queue_properties  properties,
                          cl_int                      *code)
{
  return clCreateCommandQueue (context, device, properties, code);
}

cl_int
reformer_cl_release_queue (cl_command_queue queue)
{
  return clReleaseCommandQueue (queue);
}

cl_int
reformer_cl_flush (cl_command_queue queue)
{
  return clFlush (queue);
}

cl_int
reformer_cl_finish (cl_command_queue queue)
{
  cl_event marker;
  cl_int code = clEnqueueMarkerWithWaitList (queue, 0, NULL, &marker);

  /* clFinish() of some drivers (rusticl of Mesa 22) forgets what clFlush() has sent on already, and memory would be given back while kernels write to it. */
  if (code == CL_SUCCESS)
    {
      code = clWaitForEvents (1, &marker);
      clReleaseEvent (marker);
    }
  if (code != CL_SUCCESS)
    {
      clFinish (queue);
      return code;
    }
  return clFinish (queue);
}

cl_mem
reformer_cl_create_buffer (cl_context    context,
                           cl_mem_flags  flags,
                           gsize         size,
                           gpointer      host,
                           cl_int       *code)
{
  return clCreateBuffer (context, flags, size, host, code);
}

cl_int
reformer_cl_release_buffer (cl_mem buffer)
{
  return clReleaseMemObject (buffer);
}

cl_int
reformer_cl_enqueue_read (cl_command_queue  queue,
                          cl_mem            buffer,
                          gsize             offset,
                          gsize             size,
                          gpointer          to,
                          cl_event         *event)
{
  return clEnqueueReadBuffer (queue, buffer, CL_FALSE, offset, size, to, 0, NULL, event);
}

cl_int
reformer_cl_enqueue_write (cl_command_queue  queue,
                           cl_mem            buffer,
                           gsize             offset,
                           gsize             size,
                           gconstpointer     from,
                           cl_event         *event)
{
  return clEnqueueWriteBuffer (queue, buffer, CL_FALSE, offset, size, from, 0, NULL, event);
}

cl_int
reformer_cl_enqueue_copy (cl_command_queue  queue,
                          cl_mem            from,
                          cl_mem            to,
                          gsize             from_offset,
                          gsize             to_offset,
                          gsize             size,
                          cl_event         *event)
{
  return clEnqueueCopyBuffer (queue, from, to, from_offset, to_offset, size, 0, NULL, event);
}

cl_int
reformer_cl_enqueue_fill (cl_command_queue  queue,
                          cl_mem            buffer,
                          gconstpointer     pattern,
                          gsize             pattern_size,
                          gsize             offset,
                          gsize             size,
                          cl_event         *event)
{
  return clEnqueueFillBuffer (queue, buffer, pattern, pattern_size, offset, size, 0, NULL, event);
}

cl_program
reformer_cl_create_program (cl_context    context,
                            const char  **sources,
                            const gsize  *lengths,
                            guint         n_sources,
                            cl_int       *code)
{
  return clCreateProgramWithSource (context, n_sources, sources, lengths, code);
}

cl_program
reformer_cl_create_program_binary (cl_context     context,
                                   cl_device_id   device,
                                   gconstpointer  binary,
                                   gsize          length,
                                   cl_int        *code)
{
  const guchar *data = binary;
  cl_int status = CL_SUCCESS;
  cl_program program = clCreateProgramWithBinary (context, 1, &device, &length, &data, &status, code);

  /* Some drivers return a program and put the failure only here. */
  if (program != NULL && *code == CL_SUCCESS && status != CL_SUCCESS)
    {
      clReleaseProgram (program);
      *code = status;
      return NULL;
    }
  return program;
}

cl_int
reformer_cl_build_program (cl_program    program,
                           cl_device_id  device,
                           const char   *options)
{
  return clBuildProgram (program, 1, &device, options, NULL, NULL);
}

cl_int
reformer_cl_get_program_build_info (cl_program             program,
                                    cl_device_id           device,
                                    cl_program_build_info  what,
                                    gsize                  size,
                                    gpointer               value,
                                    gsize                 *size_needed)
{
  return clGetProgramBuildInfo (program, device, what, size, value, size_needed);
}

cl_int
reformer_cl_get_program_info (cl_program       program,
                              cl_program_info  what,
                              gsize            size,
                              gpointer         value,
                              gsize           *size_needed)
{
  return clGetProgramInfo (program, what, size, value, size_needed);
}

cl_int
reformer_cl_release_program (cl_program program)
{
  return clReleaseProgram (program);
}

cl_kernel
reformer_cl_create_kernel (cl_program  program,
                           const char *name,
                           cl_int     *code)
{
  return clCreateKernel (program, name, code);
}

cl_int
reformer_cl_release_kernel (cl_kernel kernel)
{
  return clReleaseKernel (kernel);
}

cl_int
reformer_cl_get_kernel_group_info (cl_kernel                  kernel,
                                   cl_device_id               device,
                                   cl_kernel_work_group_info  what,
                                   gsize                      size,
                                   gpointer                   value,
                                   gsize                     *size_needed)
{
  return clGetKernelWorkGroupInfo (kernel, device, what, size, value, size_needed);
}

cl_int
reformer_cl_set_kernel_arg (cl_kernel     kernel,
                            guint         index,
                            gsize         size,
                            gconstpointer value)
{
  return clSetKernelArg (kernel, index, size, value);
}

cl_int
reformer_cl_enqueue_kernel (cl_command_queue  queue,
                            cl_kernel         kernel,
                            const gsize       global[3],
                            const gsize       local[3],
                            cl_event         *event)
{
  return clEnqueueNDRangeKernel (queue, kernel, 3, NULL, global, local, 0, NULL, event);
}

cl_int
reformer_cl_enqueue_marker (cl_command_queue  queue,
                            cl_event         *event)
{
  return clEnqueueMarkerWithWaitList (queue, 0, NULL, event);
}

cl_int
reformer_cl_wait_event (cl_event event)
{
  return clWaitForEvents (1, &event);
}

cl_int
reformer_cl_get_event_profile (cl_event           event,
                               cl_profiling_info  what,
                               guint64           *nanoseconds)
{
  cl_ulong value = 0;
  const cl_int code = clGetEventProfilingInfo (event, what, sizeof value, &value, NULL);

  *nanoseconds = value;
  return code;
}

cl_int
reformer_cl_release_event (cl_event event)
{
  return clReleaseEvent (event);
}

#define CODE(name) { name, #name }

static const struct
{
  cl_int      code;
  const char *name;
} codes[] = {
  CODE (CL_DEVICE_NOT_FOUND),
  CODE (CL_DEVICE_NOT_AVAILABLE),
  CODE (CL_COMPILER_NOT_AVAILABLE),
  CODE (CL_MEM_OBJECT_ALLOCATION_FAILURE),
  CODE (CL_OUT_OF_RESOURCES),
  CODE (CL_OUT_OF_HOST_MEMORY),
  CODE (CL_PROFILING_INFO_NOT_AVAILABLE),
  CODE (CL_MEM_COPY_OVERLAP),
  CODE (CL_IMAGE_FORMAT_MISMATCH),
  CODE (CL_IMAGE_FORMAT_NOT_SUPPORTED),
  CODE (CL_BUILD_PROGRAM_FAILURE),
  CODE (CL_MAP_FAILURE),
  CODE (CL_MISALIGNED_SUB_BUFFER_OFFSET),
  CODE (CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST),
  CODE (CL_COMPILE_PROGRAM_FAILURE),
  CODE (CL_LINKER_NOT_AVAILABLE),
  CODE (CL_LINK_PROGRAM_FAILURE),
  CODE (CL_DEVICE_PARTITION_FAILED),
  CODE (CL_KERNEL_ARG_INFO_NOT_AVAILABLE),
  CODE (CL_INVALID_VALUE),
  CODE (CL_INVALID_DEVICE_TYPE),
  CODE (CL_INVALID_PLATFORM),
  CODE (CL_INVALID_DEVICE),
  CODE (CL_INVALID_CONTEXT),
  CODE (CL_INVALID_QUEUE_PROPERTIES),
  CODE (CL_INVALID_COMMAND_QUEUE),
  CODE (CL_INVALID_HOST_PTR),
  CODE (CL_INVALID_MEM_OBJECT),
  CODE (CL_INVALID_IMAGE_FORMAT_DESCRIPTOR),
  CODE (CL_INVALID_IMAGE_SIZE),
  CODE (CL_INVALID_SAMPLER),
  CODE (CL_INVALID_BINARY),
  CODE (CL_INVALID_BUILD_OPTIONS),
  CODE (CL_INVALID_PROGRAM),
  CODE (CL_INVALID_PROGRAM_EXECUTABLE),
  CODE (CL_INVALID_KERNEL_NAME),
  CODE (CL_INVALID_KERNEL_DEFINITION),
  CODE (CL_INVALID_KERNEL),
  CODE (CL_INVALID_ARG_INDEX),
  CODE (CL_INVALID_ARG_VALUE),
  CODE (CL_INVALID_ARG_SIZE),
  CODE (CL_INVALID_KERNEL_ARGS),
  CODE (CL_INVALID_WORK_DIMENSION),
  CODE (CL_INVALID_WORK_GROUP_SIZE),
  CODE (CL_INVALID_WORK_ITEM_SIZE),
  CODE (CL_INVALID_GLOBAL_OFFSET),
  CODE (CL_INVALID_EVENT_WAIT_LIST),
  CODE (CL_INVALID_EVENT),
  CODE (CL_INVALID_OPERATION),
  CODE (CL_INVALID_GL_OBJECT),
  CODE (CL_INVALID_BUFFER_SIZE),
  CODE (CL_INVALID_MIP_LEVEL),
  CODE (CL_INVALID_GLOBAL_WORK_SIZE),
  CODE (CL_INVALID_PROPERTY),
  CODE (CL_INVALID_IMAGE_DESCRIPTOR),
  CODE (CL_INVALID_COMPILER_OPTIONS),
  CODE (CL_INVALID_LINKER_OPTIONS),
  CODE (CL_INVALID_DEVICE_PARTITION_COUNT),
  CODE (CL_PLATFORM_NOT_FOUND_KHR),
};

const char *
reformer_cl_code_name (cl_int code)
{
  for (gsize i = 0; i < G_N_ELEMENTS (codes); i++)
    if (codes[i].code == code)
      return codes[i].name;
  return NULL;
}

static ReformerDeviceError
error_for_code (cl_int code)
{
  switch (code)
    {
    case CL_DEVICE_NOT_FOUND:
    case CL_PLATFORM_NOT_FOUND_KHR:
      return REFORMER_DEVICE_ERROR_NOT_FOUND;

    case CL_MEM_OBJECT_ALLOCATION_FAILURE:
    case CL_OUT_OF_HOST_MEMORY:
      return REFORMER_DEVICE_ERROR_OUT_OF_MEMORY;

    case CL_BUILD_PROGRAM_FAILURE:
    case CL_COMPILE_PROGRAM_FAILURE:
    case CL_LINK_PROGRAM_FAILURE:
    case CL_COMPILER_NOT_AVAILABLE:
    case CL_LINKER_NOT_AVAILABLE:
      return REFORMER_DEVICE_ERROR_BUILD_FAILED;

    case CL_OUT_OF_RESOURCES:
    case CL_INVALID_WORK_GROUP_SIZE:
    case CL_INVALID_WORK_ITEM_SIZE:
    case CL_INVALID_BUFFER_SIZE:
      return REFORMER_DEVICE_ERROR_LIMIT;

    case CL_DEVICE_NOT_AVAILABLE:
      return REFORMER_DEVICE_ERROR_LOST;

    default:
      return REFORMER_DEVICE_ERROR_FAILED;
    }
}

void
reformer_set_cl_error (GError     **error,
                       cl_int       code,
                       const char  *format,
                       ...)
{
  g_autofree char *what = NULL;
  const char *name = reformer_cl_code_name (code);
  va_list args;

  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);

  g_set_error (error, REFORMER_DEVICE_ERROR, error_for_code (code), "%s: %s (%d)", what,
               name != NULL ? name : "unknown OpenCL code", code);
}
