// The CRC-32 of all that comes in, as four bytes, the highest first.
//
// It is the one of zlib, PNG and Ethernet: polynomial 04c11db7, bits
// reflected, all ones at first and inverted at the end.

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
    function [31:0] next(input [31:0] crc, input [7:0] data);
        integer i;
        begin
            next = crc ^ {24'b0, data};
            for (i = 0; i < 8; i = i + 1)
                next = (next >> 1) ^ (32'hedb88320 & {32{next[0]}});
        end
    endfunction

    reg [31:0] crc;
    reg [2:0]  left;
    reg        ended;

    assign in_ready = !ended;
    assign out_data = ~crc[31:24];
    assign out_valid = ended && left != 0;
    assign done = ended && left == 0;

    always @(posedge clk)
        if (rst) begin
            crc <= 32'hffffffff;
            left <= 4;
            ended <= 0;
        end else if (!ended) begin
            if (in_valid)
                crc <= next(crc, in_data);
            if (in_end)
                ended <= 1;
        end else if (left != 0) begin
            crc <= crc << 8;
            left <= left - 1;
        end
endmodule
