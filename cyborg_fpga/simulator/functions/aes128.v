// AES-128 in counter mode (FIPS 197, NIST SP 800-38A).
//
// The first 16 bytes are the key, the next 16 the first counter block; for
// each byte after these one comes out, combined with the key stream. The
// counter block is counted up as one number of 128 bits. Decrypting is the
// same.
//
// A round substitutes a column per cycle through four S-boxes in block RAM,
// and then derives the next round's key through the same four.

module afu (
    input        clk,
    input        rst,
    input  [7:0] in_data,
    input        in_valid,
    input        in_end,
    output       in_ready,
    output [7:0] out_data,
    output       out_valid,
    output       done
);
    localparam KEY = 3'd0, COUNTER = 3'd1, START = 3'd2, ROUND = 3'd3,
        STREAM = 3'd4, DONE = 3'd5;

    localparam [2047:0] TABLE = {
        128'h637c777bf26b6fc53001672bfed7ab76,
        128'hca82c97dfa5947f0add4a2af9ca472c0,
        128'hb7fd9326363ff7cc34a5e5f171d83115,
        128'h04c723c31896059a071280e2eb27b275,
        128'h09832c1a1b6e5aa0523bd6b329e32f84,
        128'h53d100ed20fcb15b6acbbe394a4c58cf,
        128'hd0efaafb434d338545f9027f503c9fa8,
        128'h51a3408f929d38f5bcb6da2110fff3d2,
        128'hcd0c13ec5f974417c4a77e3d645d1973,
        128'h60814fdc222a908846eeb814de5e0bdb,
        128'he0323a0a4906245cc2d3ac629195e479,
        128'he7c8376d8dd54ea96c56f4ea657aae08,
        128'hba78252e1ca6b4c6e8dd741f4bbd8b8a,
        128'h703eb5664803f60e613557b986c11d9e,
        128'he1f8981169d98e949b1e87e9ce5528df,
        128'h8ca1890dbfe6426841992d0fb054bb16
    };

    reg [2:0]   state;
    reg [127:0] key;
    reg [127:0] counter;
    reg [127:0] round_key;
    reg [127:0] text;
    reg [127:0] result;
    reg [7:0]   rcon;
    reg [3:0]   round;
    reg [2:0]   step;
    reg [3:0]   count;

    // ShiftRows: a column is gathered from the bytes that come into it.
    function [31:0] column(input [127:0] s, input [1:0] c);
        case (c)
            0: column = {s[127:120], s[87:80], s[47:40], s[7:0]};
            1: column = {s[95:88], s[55:48], s[15:8], s[103:96]};
            2: column = {s[63:56], s[23:16], s[111:104], s[71:64]};
            default: column = {s[31:24], s[119:112], s[79:72], s[39:32]};
        endcase
    endfunction

    function [7:0] twice(input [7:0] x);
        twice = {x[6:0], 1'b0} ^ (8'h1b & {8{x[7]}});
    endfunction

    function [31:0] mix(input [31:0] x);
        reg [7:0] a, b, c, d;
        begin
            {a, b, c, d} = x;
            mix = {
                twice(a) ^ twice(b) ^ b ^ c ^ d,
                a ^ twice(b) ^ twice(c) ^ c ^ d,
                a ^ b ^ twice(c) ^ twice(d) ^ d,
                twice(a) ^ a ^ b ^ c ^ twice(d)
            };
        end
    endfunction

    // Steps 0 to 3 look a column up, step 4 the last word of the key; each
    // answer comes a cycle later.
    wire [31:0] turned = {round_key[23:0], round_key[31:24]};
    wire [31:0] looked_up = step == 4 ? turned : column(text, step[1:0]);
    wire [31:0] found;
    genvar i;
    generate
        for (i = 0; i < 4; i = i + 1) begin : boxes
            reg [7:0] box [0:255];
            reg [7:0] value;
            integer n;
            initial
                for (n = 0; n < 256; n = n + 1)
                    box[n] = TABLE[2047 - 8 * n -: 8];
            always @(posedge clk)
                value <= box[looked_up[8 * i +: 8]];
            assign found[8 * i +: 8] = value;
        end
    endgenerate

    wire [31:0] k0 = round_key[127:96] ^ found ^ {rcon, 24'b0};
    wire [31:0] k1 = round_key[95:64] ^ k0;
    wire [31:0] k2 = round_key[63:32] ^ k1;
    wire [31:0] k3 = round_key[31:0] ^ k2;
    wire [31:0] mixed = round == 10 ? found : mix(found);

    assign in_ready = state == KEY || state == COUNTER
        || state == STREAM;
    assign out_data = in_data ^ result[127:120];
    assign out_valid = state == STREAM && in_valid;
    assign done = state == DONE;

    always @(posedge clk)
        if (rst) begin
            state <= KEY;
            count <= 0;
        end else if (in_ready && in_end)
            state <= DONE;
        else case (state)
            KEY: if (in_valid) begin
                key <= {key[119:0], in_data};
                count <= count + 1;
                if (count == 15)
                    state <= COUNTER;
            end
            COUNTER: if (in_valid) begin
                counter <= {counter[119:0], in_data};
                count <= count + 1;
                if (count == 15)
                    state <= START;
            end
            START: begin
                text <= counter ^ key;
                round_key <= key;
                counter <= counter + 1;
                rcon <= 8'h01;
                round <= 1;
                step <= 0;
                state <= ROUND;
            end
            ROUND: begin
                step <= step + 1;
                if (step >= 1 && step <= 4)
                    result <= {result[95:0], mixed};
                if (step == 5) begin
                    text <= result ^ {k0, k1, k2, k3};
                    result <= result ^ {k0, k1, k2, k3};
                    round_key <= {k0, k1, k2, k3};
                    rcon <= twice(rcon);
                    round <= round + 1;
                    step <= 0;
                    if (round == 10)
                        state <= STREAM;
                end
            end
            STREAM: if (in_valid) begin
                result <= result << 8;
                count <= count + 1;
                if (count == 15)
                    state <= START;
            end
            default: ;
        endcase
endmodule
