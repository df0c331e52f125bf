import { afterEach, expect, it, vi } from "vitest";
import { copyText } from "./clipboard";

const execCommand = vi.fn<(command: string) => boolean>();
document.execCommand = execCommand;

afterEach(() => {
  document.body.replaceChildren();
  execCommand.mockReset();
  Reflect.deleteProperty(navigator, "clipboard");
});

/** What the command would copy. */
const selection = () => {
  const field = document.activeElement as HTMLTextAreaElement;
  return field.value.slice(field.selectionStart, field.selectionEnd);
};

it("asks the clipboard where there is one", async () => {
  const writeText = vi.fn(() => Promise.resolve());
  Object.defineProperty(navigator, "clipboard", { value: { writeText }, configurable: true });
  await copyText("sk-1");
  expect(writeText).toHaveBeenCalledWith("sk-1");
  expect(execCommand).not.toHaveBeenCalled();
});

it("selects the text and copies it on plain HTTP, then gives the focus back and leaves nothing behind", async () => {
  document.body.innerHTML = "<section role=dialog><button>Copy</button></section>";
  const button = document.querySelector("button")!;
  button.focus();
  let copied = "";
  execCommand.mockImplementation(() => {
    copied = selection();
    expect(document.activeElement?.parentElement?.getAttribute("role")).toBe("dialog");
    return true;
  });
  await copyText("line one\nline two");
  expect(copied).toBe("line one\nline two");
  expect(document.activeElement).toBe(button);
  expect(document.querySelector("textarea")).toBeNull();
});

it("says so when the browser refuses", async () => {
  execCommand.mockReturnValue(false);
  await expect(copyText("x")).rejects.toThrow();
  expect(document.querySelector("textarea")).toBeNull();
});
