package a;
import java.io.*;
import java.util.*;
/** Doc { */
@SuppressWarnings({"unchecked", "x"})
public class Calc<T extends Comparable<T>> extends Base implements Runnable {
    private final int size; static final int[] ALL = {1, 2};
    static final Map<String, Integer> M = new HashMap<>() {{ put("}", 1); }};
    static final int BLANK; static { BLANK = 3; }
    private static final Runnable R = () -> { System.out.println('{'); };
    public Calc(int size) { super(size); this.size = size; }
    Calc() { this(3); }
    @Override public void run() { if (size > 0) { System.out.println("}"); } }
    public <U> List<U> same(List<U> in) throws IOException, IllegalStateException { return in; }
    int[] array(int... n) { return n; }
    String block() { return """
        a " { "b" """; }
    enum Kind { A(1) { int f() { return 2; } }, B(2); final int n; Kind(int n) { this.n = n; } int f() { return n; } }
    enum Plain { X, Y }
    record P(int x, String y) { P { if (x < 0) throw new IllegalArgumentException(); } int twice() { return 2 * x; } }
    interface Shape { double area(); default double twice() { return area() * 2; } }
    @interface Note { String[] value() default {}; }
    abstract static class Inner { abstract int f(); protected int g() { return f(); } }
    public static void main(String[] args) { new Calc<Integer>(3).run(); }
}
class Base { Base(int n) { } }
