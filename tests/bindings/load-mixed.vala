// SPDX-License-Identifier: LGPL-2.1-or-later
// Loads the golden model `mixed`, computes loss and gradients, and prints them in one line; see load-mixed.c.

// One int32 matrix of a safetensors file, found by its name in the header.
Reformer.Tensor read_tensor (Reformer.Device device, string file, string name) throws Error {
    uint8[] data;
    FileUtils.get_data (file, out data);
    uint64 length = 0;
    for (int i = 7; i >= 0; i--)
        length = length << 8 | data[i];
    uint8[] text = data[8:8 + (int) length];
    text += 0;
    unowned string header = (string) text;
    MatchInfo match;
    var pattern = new Regex ("\"%s\":\\{\"dtype\":\"I32\",\"shape\":\\[(\\d+),(\\d+)\\],\"data_offsets\":\\[(\\d+),(\\d+)\\]".printf (name));
    if (!pattern.match (header, 0, out match))
        error ("%s: no %s", file, name);
    int64[] shape = { int64.parse (match.fetch (1)), int64.parse (match.fetch (2)) };
    int begin = 8 + (int) length + int.parse (match.fetch (3)), end = 8 + (int) length + int.parse (match.fetch (4));
    return new Reformer.Tensor.from_bytes (device, Reformer.DType.INT32, shape, new Bytes (data[begin:end]));
}

int main () {
    var folder = Path.build_filename (Environment.get_variable ("G_TEST_SRCDIR"), "golden", "mixed");
    var answers = Path.build_filename (folder, "io.safetensors");
    try {
        var device = Reformer.Device.get_default ();
        var model = Reformer.Model.load (device, File.new_for_path (folder));

        double loss = model.compute_gradients (read_tensor (device, answers, "ids"), null, read_tensor (device, answers, "labels"));

        uint32 hash = 2166136261U;
        var parameters = model.get_parameters ();
        foreach (var parameter in parameters) {
            foreach (uint8 value in parameter.gradient.to_bytes ().get_data ())
                hash = (hash ^ value) * 16777619;
        }

        uint64 bits = 0;
        Memory.copy (&bits, &loss, sizeof (double));
        stdout.printf ("loss %.12f bits %s, %u gradients %08x\n", loss, bits.to_string ("%016" + int64.FORMAT_MODIFIER + "x"), parameters.get_n_items (), hash);
    } catch (Error e) {
        stderr.printf ("%s\n", e.message);
        return 1;
    }
    return 0;
}
