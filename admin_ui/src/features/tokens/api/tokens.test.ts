import { expect, it } from "vitest";
import { badAddresses } from "./tokens";

it("finds what is no address and no range", () =>
  expect(badAddresses("10.0.0.1\n10.0.0.0/8\n\n::1\n2001:db8::/32\n300.1.1.1\n10.0.0.0/33\nexample.com")).toEqual(["300.1.1.1", "10.0.0.0/33", "example.com"]));
