/** Linear least squares by the normal equations, which are well enough behaved for the two or three columns that we have. */

/**
 * @param rows    of the design matrix, all of one length
 * @param values  one for each row
 * @returns {{ coefficients: number[], rSquared: number }}  rSquared: share of the variance that the fit explains
 */
export function leastSquares(rows, values) {
  const width = rows[0].length;
  const matrix = Array.from({ length: width }, (_, i) => [
    ...Array.from({ length: width }, (_unused, j) => sum(rows.map((row) => row[i] * row[j]))),
    sum(rows.map((row, k) => row[i] * values[k])),
  ]);
  const coefficients = solve(matrix);
  const mean = sum(values) / values.length;
  const total = sum(values.map((value) => (value - mean) ** 2));
  const left = sum(values.map((value, k) => (value - sum(rows[k].map((x, i) => x * coefficients[i]))) ** 2));
  return { coefficients, rSquared: 1 - left / total };
}

/** Gauss-Jordan with pivots. @param matrix  n rows of n + 1 numbers; is changed */
function solve(matrix) {
  for (let column = 0; column < matrix.length; column++) {
    let pivot = column;
    for (let row = column; row < matrix.length; row++)
      if (Math.abs(matrix[row][column]) > Math.abs(matrix[pivot][column])) pivot = row;
    [matrix[column], matrix[pivot]] = [matrix[pivot], matrix[column]];
    for (let row = 0; row < matrix.length; row++) {
      if (row === column) continue;
      const factor = matrix[row][column] / matrix[column][column];
      for (let i = column; i < matrix[row].length; i++) matrix[row][i] -= factor * matrix[column][i];
    }
  }
  return matrix.map((row, i) => row.at(-1) / row[i]);
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
