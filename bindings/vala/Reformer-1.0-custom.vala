// SPDX-License-Identifier: LGPL-2.1-or-later
// Part of the vapi: what a GIR has no words for.
namespace Reformer {
    // A list whose items have a type, so that foreach and [] work without a cast.
    [CCode (cheader_filename = "gio/gio.h", cname = "GListModel", type_id = "g_list_model_get_type ()", type_cname = "GListModelInterface")]
    public interface ListOf<G> : GLib.ListModel {
        [CCode (cname = "g_list_model_get_item", simple_generics = true)]
        public G get (uint position);
        public int size { [CCode (cname = "g_list_model_get_n_items")] get; }
    }

    // Lists that are classes of their own.
    public sealed class DeviceList : GLib.Object, Reformer.ListOf<Reformer.Device> {
    }
    public sealed class Stack : Reformer.Layer, Reformer.ListOf<Reformer.Layer> {
    }

    // Lists of numbers, which C has as variants, by the functions that take arrays.
    public sealed class Config : GLib.Object {
        [CCode (array_length_type = "gsize")]
        public int[] axial_pos_shape { owned get; set; }
        [CCode (array_length_type = "gsize")]
        public int[] axial_pos_embds_dim { owned get; set; }
        [CCode (array_length_type = "gsize")]
        public int[] num_buckets { owned get; set; }
        [CCode (array_length_type = "gsize")]
        public double[] class_weights { owned get; set; }
        [CCode (array_length_type = "gsize")]
        public int[] window_attn_dilation { owned get; set; }
        [CCode (array_length_type = "gsize")]
        public int[] window_attn_global_tokens { owned get; set; }
    }
    public sealed class AxialPosition : Reformer.Layer {
        [CCode (array_length_type = "gsize")]
        public int[] shape { owned get; }
        [CCode (array_length_type = "gsize")]
        public int[] dims { owned get; }
    }
    public sealed class LshAttention : Reformer.Attention {
        [CCode (array_length_type = "gsize")]
        public int[] num_buckets { owned get; set; }
    }
    public sealed class WindowAttention : Reformer.Attention {
        [CCode (array_length_type = "gsize")]
        public int[] dilation { owned get; set; }
    }

    // Tensors of float32 from arrays, and arrays from them. vapigen writes the functions into the vapi; what can fail stands alone in its line, since it has no words for more.
    public sealed class Tensor : GLib.Object {
        public static Reformer.Tensor from_floats (Reformer.Device device, float[] values, int64[] shape) throws GLib.Error {
            Reformer.Tensor made = new Reformer.Tensor (device, Reformer.DType.FLOAT32, shape);
            made.upload_pointer (values, values.length * sizeof (float));
            return made;
        }
        public float[] to_floats () throws GLib.Error {
            if (dtype != Reformer.DType.FLOAT32) {
                throw new Reformer.DeviceError.INVALID ("to_floats: %s; wanted a tensor of float32", to_string ());
            }
            GLib.Bytes bytes = to_bytes ();
            float[] values = new float[bytes.get_size () / sizeof (float)];
            GLib.Memory.copy (values, bytes.get_data (), bytes.get_size ());
            return values;
        }
    }
}
