module top(input clk, input [8:0] a, output reg [15:0] q);
  reg [15:0] m[0:511];
  integer i;
  initial for (i = 0; i < 512; i = i + 1) m[i] = i * 257 + 3;
  always @(posedge clk) q <= m[a];
endmodule
