// SPDX-License-Identifier: LGPL-2.1-or-later
// Writes on from a prompt, piece by piece, as a trained model would: generate-vala [FOLDER [PROMPT [TOKENS]]]
// Made by: valac --pkg reformer-1.0 -X -w -o generate-vala generate.vala

async void generate (string folder, string prompt, uint tokens) throws Error {
    var model = Reformer.Model.load (null, File.new_for_path (folder));
    var generator = new Reformer.Generator (model, null) { prompt = prompt, max_tokens = tokens, temperature = 0.8, seed = 1 };
    print ("%s", prompt);
    Reformer.Piece? piece;
    while ((piece = yield generator.next_piece_async (null)) != null)
        print ("%s", piece.text);
    print ("\n");
}

async int main (string[] args) {
    try {
        yield generate (args.length > 1 ? args[1] : "model", args.length > 2 ? args[2] : "In the beginning ", args.length > 3 ? uint.parse (args[3]) : 200);
    } catch (Error e) {
        printerr ("%s\n", e.message);
        return 1;
    }
    return 0;
}
