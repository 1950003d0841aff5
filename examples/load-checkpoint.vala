// SPDX-License-Identifier: LGPL-2.1-or-later
// How well a byte model that transformers saved foretells a text: load-checkpoint-vala [FOLDER [FILE]]
// Made by: valac --pkg reformer-1.0 -X -w -X -lm -o load-checkpoint-vala load-checkpoint.vala

void measure (string folder, string path) throws Error {
    var model = Reformer.Model.load (null, File.new_for_path (folder));
    var text = File.new_for_path (path).load_bytes ();
    var ids = new Reformer.ByteTokenizer ().encode (text);
    var tokens = new Reformer.Tensor.from_bytes (model.device, Reformer.DType.INT32, { 1, ids.length / 4 }, ids);
    double loss = model.compute_loss (tokens, null, tokens); // each token foretells the next
    print ("%s parameters, %s tokens\n", model.get_n_parameters ().to_string (), tokens.n_elements.to_string ());
    print ("loss %.6f, %.6f bits per byte\n", loss, loss / Math.log (2));
}

int main (string[] args) {
    try {
        measure (args.length > 1 ? args[1] : "model", args.length > 2 ? args[2] : "book.txt");
    } catch (Error e) {
        printerr ("%s\n", e.message);
        return 1;
    }
    return 0;
}
