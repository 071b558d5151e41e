module top(input clk, output [7:0] q);
  reg [23:0] count = 0;
  always @(posedge clk) count <= count + 1;
  assign q = count[23:16];
endmodule
