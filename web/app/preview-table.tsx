/** The first rows of the visitor's table, with a choice of what each column is. */
import type { ColumnRole } from "simcse-webgpu/browser";
import type { TablePreview } from "../worker/protocol.ts";
import { roleNames } from "./roles.ts";

interface PreviewTableProps {
  readonly preview: TablePreview;
  readonly roles: readonly (ColumnRole | null)[];
  readonly disabled: boolean;
  readonly onRoles: (roles: readonly (ColumnRole | null)[]) => void;
}

/** Characters of a cell that are shown. */
const CELL_CHARACTERS = 160;

const cut = (text: string) => (text.length > CELL_CHARACTERS ? `${text.slice(0, CELL_CHARACTERS)}…` : text);

export function PreviewTable({ preview: { columns, named, rows }, roles, disabled, onRoles }: PreviewTableProps) {
  const choose = (at: number, value: string) =>
    onRoles(roles.map((role, other) => (other === at ? ((value || null) as ColumnRole | null) : role)));
  const title = (column: string, at: number) => (named ? column || `Column ${at + 1}, without a name` : `Column ${at + 1}`);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard.
    <section class="scroll" tabIndex={0} aria-label="The first rows">
      <table>
        <thead>
          <tr>
            {columns.map((column, at) => (
              <th scope="col" key={column} class={roles[at] === null ? "left-out" : ""}>
                <span>{title(column, at)}</span>
                <select
                  aria-label={`What ${title(column, at)} is`}
                  disabled={disabled}
                  value={roles[at] ?? ""}
                  onChange={(event) => choose(at, event.currentTarget.value)}
                >
                  <option value="">left out</option>
                  {roleNames.map(([role, name]) => (
                    <option key={role} value={role}>
                      {name}
                    </option>
                  ))}
                </select>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, number) => (
            <tr key={number}>
              {row.map((cell, at) => (
                <td key={columns[at]} class={roles[at] === null ? "left-out" : ""}>
                  {cut(cell)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
