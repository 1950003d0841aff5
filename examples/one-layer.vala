// SPDX-License-Identifier: LGPL-2.1-or-later
// An LSH attention layer used alone, forward and backward: one-layer-vala [TOKENS]
// Made by: valac --pkg reformer-1.0 -X -w -X -lm -o one-layer-vala one-layer.vala

double norm (Reformer.Tensor tensor) throws Error {
    double sum = 0;
    foreach (double value in tensor.to_floats ())
        sum += value * value;
    return Math.sqrt (sum);
}

void use (int n) throws Error {
    var device = Reformer.Device.get_default ();
    var layer = new Reformer.LshAttention (device, 64, 4, 16); // hidden size, heads, size of a head
    var tape = new Reformer.Tape (device);
    var values = new float[n * 64];
    for (int i = 0; i < values.length; i++)
        values[i] = (i * 7 % 11 - 5) / 4.0f;
    var x = Reformer.Tensor.from_floats (device, values, { 1, n, 64 });

    var y = layer.forward (x, tape);
    layer.clear_gradients ();
    var dx = layer.backward (y, tape); // y is the gradient of half the sum of its squares

    print ("output %.9f\n", norm (y));
    print ("gradient of the input %.9f\n", norm (dx));
    foreach (var parameter in layer.get_parameters ())
        print ("gradient of %s %.9f\n", parameter.name, norm (parameter.gradient));
}

int main (string[] args) {
    try {
        use (args.length > 1 ? int.parse (args[1]) : 512);
    } catch (Error e) {
        printerr ("%s\n", e.message);
        return 1;
    }
    return 0;
}
