// The SHA-256 of all that comes in, as 32 bytes (FIPS 180-4).
//
// One round takes one cycle, so a block of 64 bytes 64 and its input as many
// again. The message is padded here.

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
    localparam FILL = 3'd0, PAD = 3'd1, ROUNDS = 3'd2, ADD = 3'd3, OUT = 3'd4,
        DONE = 3'd5;

    localparam [255:0] INITIAL = {
        32'h6a09e667, 32'hbb67ae85, 32'h3c6ef372, 32'ha54ff53a,
        32'h510e527f, 32'h9b05688c, 32'h1f83d9ab, 32'h5be0cd19
    };

    localparam [2047:0] K = {
        128'h428a2f9871374491b5c0fbcfe9b5dba5,
        128'h3956c25b59f111f1923f82a4ab1c5ed5,
        128'hd807aa9812835b01243185be550c7dc3,
        128'h72be5d7480deb1fe9bdc06a7c19bf174,
        128'he49b69c1efbe47860fc19dc6240ca1cc,
        128'h2de92c6f4a7484aa5cb0a9dc76f988da,
        128'h983e5152a831c66db00327c8bf597fc7,
        128'hc6e00bf3d5a7914706ca635114292967,
        128'h27b70a852e1b21384d2c6dfc53380d13,
        128'h650a7354766a0abb81c2c92e92722c85,
        128'ha2bfe8a1a81a664bc24b8b70c76c51a3,
        128'hd192e819d6990624f40e3585106aa070,
        128'h19a4c1161e376c082748774c34b0bcb5,
        128'h391c0cb34ed8aa4a5b9cca4f682e6ff3,
        128'h748f82ee78a5636f84c878148cc70208,
        128'h90befffaa4506cebbef9a3f7c67178f2
    };

    reg [31:0] k [0:63];
    integer n;
    initial
        for (n = 0; n < 64; n = n + 1)
            k[n] = K[2047 - 32 * n -: 32];

    reg [2:0]   state;
    reg [255:0] hash;
    reg [255:0] work;
    reg [511:0] block;
    reg [63:0]  bits;
    reg [5:0]   count;
    reg         ended;
    reg         marked;
    reg         last;
    reg [31:0]  constant;

    wire [31:0] a = work[255:224], b = work[223:192], c = work[191:160];
    wire [31:0] d = work[159:128], e = work[127:96], f = work[95:64];
    wire [31:0] g = work[63:32], h = work[31:0];
    wire [31:0] w = block[511:480];

    function [31:0] ror(input [31:0] x, input integer by);
        ror = (x >> by) | (x << (32 - by));
    endfunction

    wire [31:0] w1 = block[479:448], w9 = block[223:192];
    wire [31:0] w14 = block[63:32];
    wire [31:0] new_w = w + w9
        + (ror(w1, 7) ^ ror(w1, 18) ^ (w1 >> 3))
        + (ror(w14, 17) ^ ror(w14, 19) ^ (w14 >> 10));
    wire [31:0] t1 = h + constant + w + ((e & f) ^ (~e & g))
        + (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25));
    wire [31:0] t2 = ((a & b) ^ (a & c) ^ (b & c))
        + (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22));

    // Behind the mark there are zeros up to the last eight bytes of a block,
    // which are the length.
    wire [7:0] padding = !marked ? 8'h80
        : (last && count >= 56) ? bits[63:56] : 8'h00;
    wire take = state == FILL && in_valid;
    wire pad = state == PAD;

    assign in_ready = state == FILL;
    assign out_data = hash[255:248];
    assign out_valid = state == OUT;
    assign done = state == DONE;

    // The constant of the next round is read in this one.
    wire [5:0] next_round = state == ROUNDS ? count + 6'd1 : 6'd0;
    always @(posedge clk)
        constant <= k[next_round];

    always @(posedge clk)
        if (rst) begin
            state <= FILL;
            hash <= INITIAL;
            bits <= 0;
            count <= 0;
            ended <= 0;
            marked <= 0;
            last <= 0;
        end else case (state)
            FILL, PAD: begin
                if (take || pad) begin
                    block <= {block[503:0], take ? in_data : padding};
                    count <= count + 1;
                end
                if (take)
                    bits <= bits + 8;
                if (state == FILL && in_end)
                    ended <= 1;
                if (pad) begin
                    marked <= 1;
                    // The length fits behind a mark in this block or not.
                    if (count < 56)
                        last <= 1;
                    if (last && count >= 56)
                        bits <= bits << 8;
                end
                if ((take || pad) && count == 63) begin
                    work <= hash;
                    state <= ROUNDS;
                end else if (state == FILL && in_end)
                    state <= PAD;
            end
            ROUNDS: begin
                work <= {t1 + t2, a, b, c, d + t1, e, f, g};
                block <= {block[479:0], new_w};
                count <= count + 1;
                if (count == 63)
                    state <= ADD;
            end
            ADD: begin
                hash <= {
                    hash[255:224] + a, hash[223:192] + b,
                    hash[191:160] + c, hash[159:128] + d,
                    hash[127:96] + e, hash[95:64] + f,
                    hash[63:32] + g, hash[31:0] + h
                };
                state <= last ? OUT : ended ? PAD : FILL;
            end
            OUT: begin
                hash <= hash << 8;
                count <= count + 1;
                if (count == 31)
                    state <= DONE;
            end
            default: ;
        endcase
endmodule
