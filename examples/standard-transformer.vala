// SPDX-License-Identifier: LGPL-2.1-or-later
// The standard Transformer, and a Reformer of the same sizes, on random vectors: standard-transformer-vala [POSITIONS], a multiple of 50
// Made by: valac --pkg reformer-1.0 -X -w -X -lm -o standard-transformer-vala standard-transformer.vala

const int WIDTH = 512;
const int HEADS = 8;
const int LAYERS = 6;
const int INNER = 2048;

void add (Reformer.Stack stack, Reformer.Layer layer) throws Error {
    var n = stack.get_n_items ();
    stack.insert (n, n.to_string (), layer);
}

// One stream, full attention with biases, norms of sums.
Reformer.Stack new_transformer (Reformer.Device device) throws Error {
    var stack = new Reformer.Stack (device) { streams = 1 };
    for (int i = 0; i < LAYERS; i++) {
        add (stack, new Reformer.FullAttention (device, WIDTH, HEADS, WIDTH / HEADS) { bias = true, norm_first = false, layer_norm_eps = 1e-5 });
        add (stack, new Reformer.FeedForward (device, WIDTH, INNER) { norm_first = false, layer_norm_eps = 1e-5 });
    }
    return stack;
}

// Two streams, hashing in place of full attention.
Reformer.Stack new_reformer (Reformer.Device device) throws Error {
    var stack = new Reformer.Stack (device);
    for (int i = 0; i < LAYERS; i++) {
        add (stack, new Reformer.LshAttention (device, WIDTH, HEADS, WIDTH / HEADS) { chunk_length = 50 });
        add (stack, new Reformer.FeedForward (device, WIDTH, INNER));
    }
    return stack;
}

// A number for each place, from -1 to 1: the place, hashed.
Reformer.Tensor new_input (Reformer.Device device, int n) throws Error {
    var values = new float[n * WIDTH];
    for (uint32 i = 0; i < values.length; i++) {
        uint32 x = i * 2654435761U;
        x = (x ^ x >> 15) * 2246822519U;
        values[i] = ((x ^ x >> 13) >> 8) / 8388608.0f - 1;
    }
    return Reformer.Tensor.from_floats (device, values, { 1, n, WIDTH });
}

int64 count_parameters (Reformer.Stack stack) {
    int64 sum = 0;
    foreach (var parameter in stack.get_parameters ()) {
        int64 n = 1;
        foreach (var size in parameter.get_shape ())
            n *= size;
        sum += n;
    }
    return sum;
}

void show (string name, Reformer.Stack stack, Reformer.Tensor x) throws Error {
    var device = x.device;
    var tape = new Reformer.Tape (device);
    tape.set_recording (false); // no backward pass will come
    var before = device.memory_used;
    device.reset_memory_peak ();
    stack.forward (x, tape);
    var peak = device.memory_peak - before;
    var start = get_monotonic_time ();
    var y = stack.forward (x, tape);
    var values = y.to_floats ();
    var seconds = (get_monotonic_time () - start) / 1e6;
    var shape = y.get_shape ();
    print ("%s: %lld parameters\n", name, count_parameters (stack));
    print ("output [%lld, %lld, %lld], its first number %.6f\n", shape[0], shape[1], shape[2], values[0]);
    print ("%.2f seconds, peak of memory %.1f MiB\n", seconds, peak / 1048576.0);
}

int main (string[] args) {
    try {
        var device = Reformer.Device.get_default ();
        var x = new_input (device, args.length > 1 ? int.parse (args[1]) : 2000);
        show ("Transformer", new_transformer (device), x);
        show ("Reformer", new_reformer (device), x);
    } catch (Error e) {
        printerr ("%s\n", e.message);
        return 1;
    }
    return 0;
}
