/* query/vet.h: the vetting task: may this text run, what does it read, and what exactly is executed?
 *
 * What it takes is a language with nothing left to be resolved: WITH cores over tables and a SELECT over
 * cores, in the cores every column as TABLE.COLUMN, every output with a name. What people write becomes that
 * before it is signed (src/party/template_engine). The vetter works on an engine that holds empty tables, so
 * no answer can depend on data. In order: limits on the text; the engine's parser; an allow-list over the
 * tree by class and by member; canonical text; parameters as typed constants; the shape of mode `approved`;
 * the rewrite (thresholds per cell, total functions, total order); binding; lineage from the bound plan,
 * which must agree with the lineage from the tree. A refusal has one of these codes and a message made only
 * of the query's own text:
 *
 *   sql.text sql.parse sql.statement sql.clause sql.function sql.size name.dataset name.column
 *   name.ambiguous parameter.name parameter.value mode.single_block mode.template mode.output_type
 *   join.kind column.aggregate column.cast column.read
 *
 * Its verdict can only narrow what the room grants: the room compares canonical text, reads and output with
 * the contract's template itself. */
#pragma once

/* Serves the one request on `stream` (doc/formats.md §7). Enters the sandbox. The process must end
 * afterwards. A defect of ours is answered with the code `vet.internal`. */
void vet_serve(int stream);
