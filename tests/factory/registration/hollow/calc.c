#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#define MAX(a, b) { /* two
 lines */ \
   }
struct point { int x; struct { char c; } in; };
typedef enum { A, B } kind;
static const char *names[] = { "a{", "b" };
static const struct point zero = { .x = 0, .in = { '{' } };
/* { */ static int helper(const char *s) { return s[0] == '}' ? 1 : (int)strlen(s); }
struct point *make(int x, int (*f)(int a)) { static struct point p; p.x = f(x); return &p; }
void nothing(void)
{
    // }
    puts(names[helper("\"{")]);
}
kind which(int a[], unsigned n) { for (;;) { if (n) return B; } }
int main(int argc, char **argv) { (void)argv; return argc + zero.x; }
