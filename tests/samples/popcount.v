// Counts the bits that are set in all that comes in: two bytes, the higher
// one first.

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
    reg [15:0] count;
    reg [1:0]  left;
    reg        ended;

    wire [3:0] bits = in_data[0] + in_data[1] + in_data[2] + in_data[3]
        + in_data[4] + in_data[5] + in_data[6] + in_data[7];

    assign in_ready = !ended;
    assign out_data = count[15:8];
    assign out_valid = ended && left != 0;
    assign done = ended && left == 0;

    always @(posedge clk)
        if (rst) begin
            count <= 0;
            left <= 2;
            ended <= 0;
        end else if (!ended) begin
            if (in_valid)
                count <= count + bits;
            ended <= in_end;
        end else if (left != 0) begin
            count <= count << 8;
            left <= left - 1;
        end
endmodule
